// When a dataset's runs start by themselves, and why none does now. One decision, which the trigger acts on and the API shows. The key
// of a started run names the last run: all callers that see the same last run ask for the same run.
import type { Run } from "#shared/domain/Run.ts"
import { HAS_SHARE, IS_DECIDED } from "#shared/domain/SplitVotes.ts"
import type { AutomaticRuns } from "#shared/domain/Trigger.ts"
import { COUNT_MATCHED } from "#shared/judgement/verdict-pairs.ts"
import type { Split } from "#shared/wire/pair-identity.ts"
import { type RunRow, runOfRow } from "#shared/wire/run-row.ts"
import { type Rule, ruleOf, TAKES } from "../retrain/frozen-pairs.ts"

/** A failed automatic run is repeated this often, first after the pause, then after four times as long each. */
export const MOST_REPEATS = 3
export const FIRST_PAUSE_MS = 5 * 60_000
/** Pairs that never cease hold up a run so many quiet times at most, counted from when there were enough. */
export const MOST_QUIET_TIMES = 10

interface ReadyColumns {
  readonly train: number
  readonly held_out: number
  readonly after: number
}

/** How many pairs verdicts make beside what a method reads as it stands, by split; of the verdicts up to a time alone, where one is given. */
const countMade = async (
  db: D1Database,
  datasetId: string,
  { policy, reads }: Rule,
  until?: number,
): Promise<Pick<ReadyColumns, "train" | "held_out">> => {
  const [isOld, values] = until === undefined ? ["", []] : [" AND created_at <= ?2", [until]]
  const { results } = await db
    .prepare(COUNT_MATCHED(`${IS_DECIDED[policy]}${isOld}`))
    .bind(datasetId, ...values)
    .all<{ split: Split; pairs: number }>()
  const made = (split: Split) => results.find((of) => of.split === split)?.pairs ?? 0
  return { train: reads === "pairs" ? made("train") : 0, held_out: made("held-out") }
}

/**
 * What a snapshot of now would hold, by split, and how much of it there was not at a time. Verdicts make as many pairs after it as they make
 * more by those that came since.
 */
const countReady = async (db: D1Database, datasetId: string, rule: Rule, time: number): Promise<ReadyColumns> => {
  const ready = await db
    .prepare(
      `SELECT coalesce(sum(split = 'train'), 0) AS train, coalesce(sum(split = 'held-out'), 0) AS held_out,
              coalesce(sum(created_at > ?), 0) AS after
         FROM pairs WHERE dataset_id = ? AND status = 'ready' AND ${HAS_SHARE[rule.policy]} AND ${TAKES[rule.reads]}`,
    )
    .bind(time, datasetId)
    .first<ReadyColumns>()
  const made = await countMade(db, datasetId, rule)
  const before = time === 0 ? { train: 0, held_out: 0 } : await countMade(db, datasetId, rule, time)
  return {
    train: (ready?.train ?? 0) + made.train,
    held_out: (ready?.held_out ?? 0) + made.held_out,
    after: (ready?.after ?? 0) + made.train + made.held_out - before.train - before.held_out,
  }
}

interface Arrivals {
  readonly newest: number
  /** When the pair came with which there were enough. */
  readonly reached: number
}

/** When the pairs came that are `beyond` a threshold: the newest, and the one that reached it. */
const findArrivals = async (db: D1Database, datasetId: string, beyond: number): Promise<Arrivals> => {
  const { results } = await db
    .prepare(
      `SELECT created_at AS at FROM pairs WHERE dataset_id = ?1 AND status = 'ready' AND (
              created_at = (SELECT max(created_at) FROM pairs WHERE dataset_id = ?1 AND status = 'ready')
           OR created_at = (SELECT created_at FROM pairs WHERE dataset_id = ?1 AND status = 'ready'
                             ORDER BY created_at DESC LIMIT 1 OFFSET ?2)) GROUP BY created_at ORDER BY created_at`,
    )
    .bind(datasetId, beyond)
    .all<{ at: number }>()
  return { newest: results.at(-1)?.at ?? 0, reached: results[0]?.at ?? 0 }
}

/** The dataset's newest runs, the newest first: as many as the repeats can be counted from. */
const findLastRuns = async (db: D1Database, datasetId: string): Promise<readonly Run[]> => {
  const { results } = await db
    .prepare("SELECT * FROM runs WHERE dataset_id = ? ORDER BY created_at DESC, id DESC LIMIT ?")
    .bind(datasetId, MOST_REPEATS + 2)
    .all<RunRow>()
  return results.map(runOfRow)
}

/** Since when pairs are new to a dataset's last run. One that failed before its snapshot is taken to have seen what there was. */
const seenUntil = (last: Run | undefined): number => last?.detail.snapshot?.takenAt ?? last?.createdAt ?? 0

/**
 * Pairs that the last run did not see. As many as there are more now, or, where others were taken back since, as were made since: what was
 * taken back hides nothing that is new.
 */
const countNew = ({ train, held_out, after }: ReadyColumns, last: Run | undefined): number => {
  if (last === undefined) return train + held_out
  const seen = last.detail.snapshot
  if (seen === undefined) return after
  return Math.max(0, train + held_out - seen.trainPairs - seen.heldOutPairs, seen.takenAt === undefined ? 0 : after)
}

/** How many automatic runs failed one after the other, the last run being one of them. */
const failuresInARow = (runs: readonly Run[]): number => {
  const end = runs.findIndex(({ trigger, status }) => trigger !== "threshold" || status !== "failed")
  return end === -1 ? runs.length : end
}

const pauseMs = (failures: number): number => FIRST_PAUSE_MS * 4 ** (failures - 1)

const quietTime = ({ newest, reached }: Arrivals, quietMs: number): number =>
  Math.min(newest + quietMs, reached + MOST_QUIET_TIMES * quietMs)

const at = (time: number): string => new Date(time).toISOString()

interface Facts {
  readonly threshold: number
  readonly ready: ReadyColumns
  readonly newPairs: number
  readonly last: Run | undefined
  readonly failures: number
  readonly now: number
  /** When it has been quiet for long enough; in the past where there is nothing to wait for. */
  readonly quietAt: number
}

/** Whether a run starts now, and the sentence that says why or why not. */
const decide = ({
  threshold,
  ready,
  newPairs,
  last,
  failures,
  now,
  quietAt,
}: Facts): Pick<AutomaticRuns, "state" | "reason"> => {
  if (last?.status === "running") return { state: "running", reason: `run ${last.id} is under way` }
  // A run without a split would fail at once, and the next pair would start another.
  if (ready.train === 0 || ready.held_out === 0)
    return {
      state: "waiting",
      reason: `${ready.train} ready pairs are to train on and ${ready.held_out} held out; a run needs at least one of each`,
    }
  const enough = `${newPairs} pairs are new, and ${threshold} start a run`
  if (newPairs >= threshold && quietAt > now)
    return { state: "quiet", reason: `${enough} at ${at(quietAt)}, or later if more come until then` }
  if (newPairs >= threshold) return { state: "due", reason: enough }
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
    .prepare(
      `SELECT retrain_threshold AS threshold, coalesce(quiet_seconds, 0) AS quietSeconds, trigger_fault AS fault, retrain_config AS config
         FROM datasets WHERE id = ? AND deleted_at IS NULL`,
    )
    .bind(datasetId)
    .first<{ threshold: number | null; quietSeconds: number; fault: string | null; config: string }>()
  if (dataset === null) return undefined
  const runs = await findLastRuns(db, datasetId)
  const [last] = runs
  const rule = await ruleOf(db, datasetId, JSON.parse(dataset.config))
  const ready = await countReady(db, datasetId, rule, seenUntil(last))
  const newPairs = countNew(ready, last)
  const failures = failuresInARow(runs)
  const facts = {
    ...{ newPairs, trainPairs: ready.train, heldOutPairs: ready.held_out, failures },
    ...(last === undefined ? {} : { lastRunId: last.id }),
    ...(dataset.fault === null ? {} : { fault: dataset.fault }),
  }
  const { threshold, quietSeconds } = dataset
  if (threshold === null)
    return { ...facts, state: "off", reason: "the dataset has no retrainThreshold; start runs by hand" }
  const repeatAt = failures > 0 && failures <= MOST_REPEATS ? { repeatAt: last!.updatedAt + pauseMs(failures) } : {}
  const quietAt =
    quietSeconds === 0 || newPairs < threshold
      ? 0
      : quietTime(await findArrivals(db, datasetId, newPairs - threshold), 1000 * quietSeconds)
  const decision = decide({ threshold, ready, newPairs, last, failures, now: Date.now(), quietAt })
  return {
    ...{ ...facts, threshold, ...decision },
    ...(decision.state === "pausing" ? repeatAt : {}),
    ...(decision.state === "quiet" ? { startsAt: quietAt } : {}),
  }
}
