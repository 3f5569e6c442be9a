// Starts a run when automatic.ts says that one is due: called when pairs became ready, and by the sweep. What is in the way of one is
// kept with the dataset, where `GET /v1/datasets/{id}/trigger` shows it, until a look goes well.
import type { RpcResult } from "#shared/wire/services.ts"
import { type Environment, poolOf } from "../Environment.ts"
import { refuse, succeed } from "../rpc-result.ts"
import { automaticRuns, isOff } from "./automatic.ts"
import { triggerRun } from "./trigger.ts"

interface Look {
  /** The run that was started, or null when there is no reason for one. */
  readonly runId: string | null
  /** When one may be due without a new pair. */
  readonly lookAt?: number
}

const startIfDue = async (env: Environment, datasetId: string): Promise<RpcResult<Look>> => {
  if (await isOff(env.DB, datasetId)) return succeed({ runId: null })
  const found = await automaticRuns(env.DB, datasetId)
  if (found === undefined) return refuse("NotFound", `there is no dataset "${datasetId}"; create it first`)
  // Nothing else may happen until it has been quiet: somebody has to look then.
  if (found.startsAt !== undefined) await poolOf(env).keepSweeping(found.startsAt)
  const lookAt = found.repeatAt ?? found.startsAt
  if (found.state !== "due") return succeed({ runId: null, ...(lookAt === undefined ? {} : { lookAt }) })
  const key = `threshold-after:${found.lastRunId ?? "nothing"}`
  const started = await triggerRun(env, { datasetId, trigger: "threshold", key })
  return started.ok ? succeed({ runId: started.value.runId }) : started
}

/** Keeps what is in the way, or that nothing is; the sweep looks again meanwhile. */
const noteFault = async (env: Environment, datasetId: string, fault: string | null): Promise<void> => {
  const { meta } = await env.DB.prepare(
    "UPDATE datasets SET trigger_fault = ?1 WHERE id = ?2 AND trigger_fault IS NOT ?1",
  )
    .bind(fault, datasetId)
    .run()
  if (fault !== null && meta.changes > 0) await poolOf(env).keepSweeping()
}

/** Starts the dataset's run if one is due. Rejects with what a part that did not answer said. */
export const lookAtThreshold = async (env: Environment, datasetId: string): Promise<RpcResult<Look>> => {
  try {
    const looked = await startIfDue(env, datasetId)
    await noteFault(env, datasetId, looked.ok ? null : looked.error.message)
    return looked
  } catch (cause) {
    // Where even this cannot be kept, the reason that is told is the first.
    await noteFault(env, datasetId, cause instanceof Error ? cause.message : String(cause)).catch(() => undefined)
    throw cause
  }
}
