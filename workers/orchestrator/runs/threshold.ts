// Starts a run when automatic.ts says that one is due: called when pairs became ready, and by the sweep for failed ones.
import type { RpcResult } from "#shared/wire/services.ts"
import { type Environment, poolOf } from "../Environment.ts"
import { refuse, succeed } from "../rpc-result.ts"
import { automaticRuns } from "./automatic.ts"
import { triggerRun } from "./trigger.ts"

/** The run that was started, or null when there is no reason for one. */
export const startAtThreshold = async (
  env: Environment,
  datasetId: string,
): Promise<RpcResult<{ readonly runId: string | null }>> => {
  const found = await automaticRuns(env.DB, datasetId)
  if (found === undefined) return refuse("NotFound", `there is no dataset "${datasetId}"; create it first`)
  // Nothing else may happen until it has been quiet: somebody has to look then.
  if (found.startsAt !== undefined) await poolOf(env).keepSweeping(found.startsAt)
  if (found.state !== "due") return succeed({ runId: null })
  const key = `threshold-after:${found.lastRunId ?? "nothing"}`
  const started = await triggerRun(env, { datasetId, trigger: "threshold", key })
  return started.ok ? succeed({ runId: started.value.runId }) : started
}
