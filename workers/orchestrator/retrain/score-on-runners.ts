// Scoring by runners, as the workflow sees it: stretch by stretch what is missing becomes a job, a few jobs are open at a time, and the run
// waits for them without holding anything. Records arrive in KV while a job is worked on (pool/take-scores.ts). What another run's open job gives
// is not asked for: the run waits until that job has ended, however, and looks again.
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
import { cutScoreJob, type ScoreStretch } from "./cut-score-job.ts"
import { awaitJob, awaitOthers, postScores } from "./jobs.ts"
import { addCounts } from "./score.ts"
import { call } from "./transient.ts"

/** Open jobs of one run: so many runners may work on it side by side. */
const JOBS_AT_ONCE = 4
/** What so many last jobs of a stretch ask for is known to a cut, however long ago they ended: it is counted once. */
const JOBS_REMEMBERED = 4 * JOBS_AT_ONCE
/** So often a job is cut anew because another run's was posted meanwhile. Then it is posted all the same: at worst some is computed twice. */
const MOST_OVERTAKEN = 3
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

const settleMs = Effect.map(Bindings, (env) => numberSetting(env, "YOHAKU_KV_SETTLE_MS", KV_SETTLE_MS, 1))

/** Cuts a job. The pool is asked before KV: what it does not know of is posted later, and then this job is not. */
const cutNext = Effect.fnUntraced(function* (
  { datasetId }: RetrainPayload,
  runId: string,
  snapshot: Snapshot,
  { jobs, ...stretch }: Omit<ScoreStretch, "sheets"> & { readonly jobs: readonly string[] },
) {
  const env = yield* Bindings
  const settledMs = yield* settleMs
  const { sheets, last } = yield* call("ask what is being scored", () =>
    poolOf(env).askedSheets(runId, snapshot.referenceFingerprint, settledMs, jobs),
  )
  const cut = yield* cutScoreJob(datasetId, snapshot, { ...stretch, sheets })
  return { ...cut, last } satisfies ScoreCut
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
  let jobs: readonly string[] = []
  const open: string[] = []
  // Jobs of others that it goes by, and where it met the first.
  const elsewhere = new Set<string>()
  let metAt: SnapshotPlace | null = null
  let isAgain = false
  let timesOvertaken = 0
  for (let index = 0; next !== null; index++) {
    // What a cut reads of KV fills an event.
    if (index > 0) yield* durableSleep(`${name}/${index}`, 1)
    const cut: ScoreCut = yield* Activity.make({
      name: `${name}/cut/${index}`,
      ...RetrainActivities.scoreCut,
      execute: cutNext(payload, runId, snapshot, { from: next, pagesEnd, isAgain, jobs }),
    })
    if (cut.job !== undefined) {
      const [job, spec] = [`${name}-${index}`, jobOf(payload, runId, snapshot, cut.job)]
      // Overtaken: another run's job, posted meanwhile, may ask for the same.
      const last = timesOvertaken < MOST_OVERTAKEN ? cut.last : undefined
      if (!(yield* postScores(runId, job, spec, payload.limits, last))) {
        timesOvertaken += 1
        continue
      }
      timesOvertaken = 0
      open.push(job)
      jobs = [...jobs, job].slice(-JOBS_REMEMBERED)
    }
    counts = addCounts(counts, cut.counts)
    // It counted as found when it was left to another's job.
    if (isAgain) counts = { ...counts, fromCache: counts.fromCache - cut.counts.computed }
    for (const job of cut.elsewhere ?? []) elsewhere.add(job)
    if (cut.elsewhere !== undefined) metAt ??= next
    next = cut.next
    if (open.length < JOBS_AT_ONCE && next !== null) continue
    for (const job of open.splice(0)) yield* awaitScores(runId, job)
    if (next === null && metAt !== null) {
      yield* awaitOthers(runId, `${name}/others/${index}`, [...elsewhere])
      elsewhere.clear()
      next = metAt
      metAt = null
      isAgain = true
    }
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
  yield* durableSleep(`${name}/settle`, yield* settleMs)
  yield* scoreStretch(payload, runId, snapshot, { name, from: { page, pairs: 0 }, pagesEnd: page + 1 })
})
