// When a dataset's runs start by themselves, and why none does now. One decision, which the trigger acts on and the API shows. The key
// of a started run names the last run: all callers that see the same last run ask for the same run.
import type { Run } from "#shared/domain/Run.ts"
import type { AutomaticRuns } from "#shared/domain/Trigger.ts"
import { type RunRow, runOfRow } from "#shared/wire/run-row.ts"

/** A failed automatic run is repeated this often, first after the pause, then after four times as long each. */
export const MOST_REPEATS = 3
export const FIRST_PAUSE_MS = 5 * 60_000

interface ReadyColumns {
  readonly train: number
  readonly held_out: number
  readonly after: number
}

/** Ready pairs by split, and those created after a time. */
const countReady = (db: D1Database, datasetId: string, time: number): Promise<ReadyColumns | null> =>
  db
    .prepare(
      `SELECT coalesce(sum(split = 'train'), 0) AS train, coalesce(sum(split = 'held-out'), 0) AS held_out,
              coalesce(sum(created_at > ?), 0) AS after
         FROM pairs WHERE dataset_id = ? AND status = 'ready'`,
    )
    .bind(time, datasetId)
    .first<ReadyColumns>()

/** The dataset's newest runs, the newest first: as many as the repeats can be counted from. */
const findLastRuns = async (db: D1Database, datasetId: string): Promise<readonly Run[]> => {
  const { results } = await db
    .prepare("SELECT * FROM runs WHERE dataset_id = ? ORDER BY created_at DESC, id DESC LIMIT ?")
    .bind(datasetId, MOST_REPEATS + 2)
    .all<RunRow>()
  return results.map(runOfRow)
}

/** Pairs that the last run did not see. A run that failed before its snapshot is taken to have seen what there was. */
const countNew = (ready: ReadyColumns, last: Run | undefined): number => {
  const seen = last?.detail.snapshot
  if (last === undefined) return ready.train + ready.held_out
  return seen === undefined ? ready.after : ready.train + ready.held_out - seen.trainPairs - seen.heldOutPairs
}

/** How many automatic runs failed one after the other, the last run being one of them. */
const failuresInARow = (runs: readonly Run[]): number => {
  const end = runs.findIndex(({ trigger, status }) => trigger !== "threshold" || status !== "failed")
  return end === -1 ? runs.length : end
}

const pauseMs = (failures: number): number => FIRST_PAUSE_MS * 4 ** (failures - 1)

const at = (time: number): string => new Date(time).toISOString()

interface Facts {
  readonly threshold: number
  readonly ready: ReadyColumns
  readonly newPairs: number
  readonly last: Run | undefined
  readonly failures: number
  readonly now: number
}

/** Whether a run starts now, and the sentence that says why or why not. */
const decide = ({
  threshold,
  ready,
  newPairs,
  last,
  failures,
  now,
}: Facts): Pick<AutomaticRuns, "state" | "reason"> => {
  if (last?.status === "running") return { state: "running", reason: `run ${last.id} is under way` }
  // A run without a split would fail at once, and the next pair would start another.
  if (ready.train === 0 || ready.held_out === 0)
    return {
      state: "waiting",
      reason: `${ready.train} ready pairs are to train on and ${ready.held_out} held out; a run needs at least one of each`,
    }
  if (newPairs >= threshold) return { state: "due", reason: `${newPairs} pairs are new, and ${threshold} start a run` }
  const missing = `${newPairs} pairs are new since the last run, and ${threshold} start one`
  if (failures === 0) return { state: "waiting", reason: missing }
  const why = `automatic run ${last!.id} failed (${last!.error ?? "it gave no reason"})`
  if (failures > MOST_REPEATS)
    return {
      state: "stopped",
      reason: `${why}, as did the ${failures - 1} before it; mend the cause and start a run by hand, or send pairs: ${missing}`,
    }
  const repeatAt = last!.updatedAt + pauseMs(failures)
  return repeatAt <= now
    ? { state: "due", reason: `${why} and is repeated` }
    : { state: "pausing", reason: `${why} and is repeated at ${at(repeatAt)}` }
}

/** What is known of a dataset's automatic runs, or undefined where there is no such dataset. */
export const automaticRuns = async (db: D1Database, datasetId: string): Promise<AutomaticRuns | undefined> => {
  const dataset = await db
    .prepare("SELECT retrain_threshold AS threshold FROM datasets WHERE id = ?")
    .bind(datasetId)
    .first<{ threshold: number | null }>()
  if (dataset === null) return undefined
  const runs = await findLastRuns(db, datasetId)
  const [last] = runs
  const ready = (await countReady(db, datasetId, last?.createdAt ?? 0)) ?? { train: 0, held_out: 0, after: 0 }
  const newPairs = countNew(ready, last)
  const failures = failuresInARow(runs)
  const facts = {
    ...{ newPairs, trainPairs: ready.train, heldOutPairs: ready.held_out, failures },
    ...(last === undefined ? {} : { lastRunId: last.id }),
  }
  const { threshold } = dataset
  if (threshold === null)
    return { ...facts, state: "off", reason: "the dataset has no retrainThreshold; start runs by hand" }
  const repeatAt = failures > 0 && failures <= MOST_REPEATS ? { repeatAt: last!.updatedAt + pauseMs(failures) } : {}
  const decision = decide({ threshold, ready, newPairs, last, failures, now: Date.now() })
  return { ...facts, threshold, ...decision, ...(decision.state === "pausing" ? repeatAt : {}) }
}

/** Datasets whose last run was an automatic one that failed: those that a repeat may be due for. */
export const datasetsToRepeat = async (db: D1Database): Promise<readonly string[]> => {
  const { results } = await db
    .prepare(
      `SELECT d.id FROM datasets d JOIN runs r ON r.dataset_id = d.id
        WHERE d.retrain_threshold IS NOT NULL AND r.trigger = 'threshold' AND r.status = 'failed'
          AND NOT EXISTS (SELECT 1 FROM runs later WHERE later.dataset_id = d.id
                             AND (later.created_at, later.id) > (r.created_at, r.id))
        LIMIT 50`,
    )
    .all<{ id: string }>()
  return results.map(({ id }) => id)
}
