// Looking into a run that is under way, and ending it: its row first, so that nothing later is taken for its outcome, then its journal,
// then its job. Each may be done again: a request that died in between is repeated.
import type { Run } from "#shared/domain/Run.ts"
import type { RpcResult } from "#shared/wire/services.ts"
import { type Environment, poolOf, type WorkflowStatus } from "../Environment.ts"
import { refuse, succeed } from "../rpc-result.ts"
import { findRun, recordCancellation } from "./run-rows.ts"

/** The run as it is afterwards. One that is over already cannot be cancelled. */
export const cancelRun = async (env: Environment, runId: string): Promise<RpcResult<Run>> => {
  await recordCancellation(env, runId)
  const run = await findRun(env.DB, runId)
  if (run === undefined) return refuse("NotFound", `there is no run "${runId}"; list the runs`)
  if (run.status !== "cancelled") return refuse("Conflict", `run "${runId}" has ${run.status} already`)
  await env.WORKFLOW_RUN.getByName(runId).cancel()
  await poolOf(env).cancel(runId)
  return succeed(run)
}

const statusOf = async (env: Environment, runId: string): Promise<WorkflowStatus | undefined> => {
  try {
    return await env.WORKFLOW_RUN.getByName(runId).status()
  } catch {
    // It is being started anew: the run can be shown without it.
    return undefined
  }
}

/** Why a run makes no progress: its job waits, or a step of it broke and is tried again. */
export const whyStanding = async (env: Environment, runId: string): Promise<Pick<Run, "standing">> => {
  const ofJob = await poolOf(env).standing(runId)
  if (ofJob !== null) return { standing: ofJob }
  const status = await statusOf(env, runId)
  if (status?.lastError == null) return {}
  return { standing: `a step broke, attempt ${status.attempts}, and is tried again: ${status.lastError}` }
}
