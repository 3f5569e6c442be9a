// Starts a run when enough pairs are new since the last one. The key names the last run: all callers that see the same last run
// ask for the same run, so that any number of them at once start one.
import type { Run } from "#shared/domain/Run.ts"
import type { RpcResult } from "#shared/wire/services.ts"
import type { Environment } from "../Environment.ts"
import { refuse, succeed } from "../rpc-result.ts"
import { findLastRun } from "./run-rows.ts"
import { triggerRun } from "./trigger.ts"

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

/** Pairs that the last run did not see. A run that failed before its snapshot is taken to have seen what there was. */
const countNew = (ready: ReadyColumns, last: Run | undefined): number => {
  const seen = last?.detail.snapshot
  if (last === undefined) return ready.train + ready.held_out
  return seen === undefined ? ready.after : ready.train + ready.held_out - seen.trainPairs - seen.heldOutPairs
}

/** The run that was started, or null when there is no reason for one. */
export const startAtThreshold = async (
  env: Environment,
  datasetId: string,
): Promise<RpcResult<{ readonly runId: string | null }>> => {
  const dataset = await env.DB.prepare("SELECT retrain_threshold AS threshold FROM datasets WHERE id = ?")
    .bind(datasetId)
    .first<{ threshold: number | null }>()
  if (dataset === null) return refuse("NotFound", `there is no dataset "${datasetId}"; create it first`)
  if (dataset.threshold === null) return succeed({ runId: null })
  const last = await findLastRun(env.DB, datasetId)
  if (last?.status === "running") return succeed({ runId: null })
  const ready = await countReady(env.DB, datasetId, last?.createdAt ?? 0)
  // A run without a split would fail at once, and the next pair would start another.
  if (ready === null || ready.train === 0 || ready.held_out === 0) return succeed({ runId: null })
  if (countNew(ready, last) < dataset.threshold) return succeed({ runId: null })
  const key = `threshold-after:${last?.id ?? "nothing"}`
  const started = await triggerRun(env, { datasetId, trigger: "threshold", key })
  return started.ok ? succeed({ runId: started.value.runId }) : started
}
