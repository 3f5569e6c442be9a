// Looking into an evaluation that is under way, and ending it, as a run is ended (runs/cancel.ts): its row first, then its journal, then its job.
import type { ModelEvaluation } from "#shared/domain/ModelEvaluation.ts"
import type { RpcResult } from "#shared/wire/services.ts"
import { type Environment, poolOf } from "../Environment.ts"
import { refuse, succeed } from "../rpc-result.ts"
import { whyStanding } from "../runs/cancel.ts"
import { findEvaluation, recordEvaluationCancellation, STANDING_MS, wakeEvaluation } from "./evaluation-rows.ts"

interface Named {
  readonly modelName: string
  readonly id: string
}

const evaluationOf = async (
  { DB }: Pick<Environment, "DB">,
  { modelName, id }: Named,
): Promise<RpcResult<ModelEvaluation>> => {
  const found = await findEvaluation(DB, id)
  return found === undefined || found.model.name !== modelName
    ? refuse("NotFound", `"${modelName}" has no evaluation "${id}"; list its evaluations`)
    : succeed(found)
}

/** The evaluation of a model, with what its job is about while it is under way. */
export const getEvaluation = async (env: Environment, named: Named): Promise<RpcResult<ModelEvaluation>> => {
  const found = await evaluationOf(env, named)
  if (!found.ok || found.value.status !== "running") return found
  const { id } = named
  if (found.value.updatedAt < Date.now() - STANDING_MS) await wakeEvaluation(env, id)
  const progress = await poolOf(env).progress(id)
  return succeed({ ...found.value, ...(progress === null ? {} : { progress }), ...(await whyStanding(env, id)) })
}

/** The evaluation as it is afterwards. One that is over already cannot be cancelled; one that was may be again. */
export const cancelEvaluation = async (env: Environment, named: Named): Promise<RpcResult<ModelEvaluation>> => {
  const { id } = named
  const before = await evaluationOf(env, named)
  if (!before.ok) return before
  await recordEvaluationCancellation(env.DB, id)
  const found = await evaluationOf(env, named)
  if (!found.ok) return found
  if (found.value.status !== "cancelled")
    return refuse("Conflict", `evaluation "${id}" has ${found.value.status} already`)
  await env.WORKFLOW_RUN.getByName(id).cancel()
  await poolOf(env).cancel(id)
  return found
}
