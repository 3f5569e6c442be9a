// Scoring by runners, as the workflow sees it: stretch by stretch what is missing becomes a job, a few jobs are open at a time, and the run
// waits for them without holding anything. Records arrive in KV while a job is worked on (pool/take-scores.ts).
import { Effect } from "effect"
import { Activity } from "effect/workflow"
import type { ScoreJob } from "#shared/wire/job.ts"
import {
  RetrainActivities,
  type RetrainPayload,
  type ScoreCounts,
  type ScoreCut,
  type Snapshot,
  type SnapshotPlace,
} from "#shared/workflows/retrain.ts"
import { Bindings, poolOf } from "../Environment.ts"
import { durableSleep } from "../engine/durable-sleep.ts"
import { recordStep } from "../runs/run-rows.ts"
import { numberSetting } from "../settings.ts"
import { cutScoreJob } from "./cut-score-job.ts"
import { awaitJob, postJob } from "./jobs.ts"
import { addCounts } from "./score.ts"
import { call } from "./transient.ts"

/** Open jobs of one run: so many runners may work on it side by side. */
const JOBS_AT_ONCE = 4
/**
 * Sheets of so many last jobs are read by a cut: those that are open, and of the waves before, whose records KV may not show for a minute. So
 * a cut costs the same however many jobs there were.
 */
const SHEETS_REMEMBERED = 4 * JOBS_AT_ONCE
/** The platform says that a write is seen everywhere within a minute. */
const KV_SETTLE_MS = 60_000

export const isScoredByRunners = ({ reference }: RetrainPayload): boolean => reference?.place === "runner"

const jobOf = (
  { base, reference }: RetrainPayload,
  runId: string,
  snapshot: Snapshot,
  { pack, sheet, pairs }: NonNullable<ScoreCut["job"]>,
): ScoreJob => ({
  ...{ kind: "score", runId, base: base.files, pack, sheet, pairs },
  ...(base.source === undefined ? {} : { baseSource: base.source }),
  precision: reference?.precision ?? "stored",
  reference: snapshot.referenceFingerprint,
})

/** Waits for a job. Where it has failed for good the run has too: its other jobs are taken back. */
const awaitScores = (runId: string, name: string) =>
  awaitJob(name).pipe(
    Effect.tapErrorTag("JobFailed", () =>
      Activity.make({
        name: `${name}/abandon`,
        ...RetrainActivities.abandon,
        execute: Effect.gen(function* () {
          const env = yield* Bindings
          yield* call("take the run's other jobs back", () => poolOf(env).cancel(runId))
          return null
        }),
      }),
    ),
  )

const note = (runId: string, name: string, counts: ScoreCounts, isLast: boolean) =>
  Activity.make({
    name,
    ...RetrainActivities.scored,
    execute: Effect.gen(function* () {
      const { DB } = yield* Bindings
      const detail = { ...counts, place: "runner" as const }
      yield* call("note the scores", () =>
        recordStep(DB, runId, { step: "score", detail, next: isLast ? "pack" : "score" }),
      )
      return null
    }),
  })

interface Stretch {
  /** Before the names of its steps and jobs. */
  readonly name: string
  readonly from: SnapshotPlace
  readonly pagesEnd: number
  /** After a wave of jobs, with what is counted so far. */
  readonly onDone?: (wave: string, counts: ScoreCounts, isLast: boolean) => ReturnType<typeof note>
}

/** Has everything of a stretch scored that is not in KV. */
const scoreStretch = Effect.fnUntraced(function* (
  payload: RetrainPayload,
  runId: string,
  snapshot: Snapshot,
  { name, from, pagesEnd, onDone }: Stretch,
) {
  let counts: ScoreCounts = { computed: 0, fromCache: 0 }
  let next: SnapshotPlace | null = from
  let sheets: readonly string[] = []
  const open: string[] = []
  for (let index = 0; next !== null; index++) {
    // What a cut reads of KV fills an event.
    if (index > 0) yield* durableSleep(`${name}/${index}`, 1)
    const cut: ScoreCut = yield* Activity.make({
      name: `${name}/cut/${index}`,
      ...RetrainActivities.scoreCut,
      execute: cutScoreJob(payload.datasetId, snapshot, { from: next, pagesEnd, sheets }),
    })
    counts = addCounts(counts, cut.counts)
    next = cut.next
    if (cut.job !== undefined) {
      const job = `${name}-${index}`
      yield* postJob(runId, job, jobOf(payload, runId, snapshot, cut.job), payload.limits)
      open.push(job)
      sheets = [...sheets, cut.job.sheet].slice(-SHEETS_REMEMBERED)
    }
    if (open.length < JOBS_AT_ONCE && next !== null) continue
    for (const job of open.splice(0)) yield* awaitScores(runId, job)
    if (onDone !== undefined) yield* onDone(`${name}/done/${index}`, counts, next === null)
  }
  // What follows reads the records too; where nothing was to be scored, no wait for a job has ended the event.
  yield* durableSleep(`${name}/end`, 1)
})

/** Has the snapshot's pairs scored. */
export const scoreOnRunners = (payload: RetrainPayload, runId: string, snapshot: Snapshot) =>
  scoreStretch(payload, runId, snapshot, {
    ...{ name: "score", from: { page: 0, pairs: 0 }, pagesEnd: Number.MAX_SAFE_INTEGER },
    onDone: (wave, counts, isLast) => note(runId, wave, counts, isLast),
  })

/** What KV still does not show of a page, after the time that it may take to: scored again. */
export const scoreLacking = Effect.fnUntraced(function* (
  payload: RetrainPayload,
  runId: string,
  snapshot: Snapshot,
  { page, round }: { readonly page: number; readonly round: number },
) {
  const name = `score-again-${page}-${round}`
  const env = yield* Bindings
  yield* durableSleep(`${name}/settle`, numberSetting(env, "YOHAKU_KV_SETTLE_MS", KV_SETTLE_MS, 1))
  yield* scoreStretch(payload, runId, snapshot, { name, from: { page, pairs: 0 }, pagesEnd: page + 1 })
})
