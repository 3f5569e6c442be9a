// Starts an evaluation. Its id is derived from model and key, so that the same request again is the same evaluation for ever; everything that it
// depends on is pinned here.
import type { ModelReference } from "#shared/domain/Dataset.ts"
import { type EvaluationSettings, isEndpoint } from "#shared/domain/EvaluationSettings.ts"
import { DEFAULT_RUN_LIMITS } from "#shared/domain/RunLimits.ts"
import { canonicalJson, sha256Hex } from "#shared/formats/digest.ts"
import { InvalidSuite, readSuite } from "#shared/judgement/sources/prompt-suite.ts"
import { claimBlobs } from "#shared/wire/blob-claims.ts"
import { blobPlace, findBlob } from "#shared/wire/blobs.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import type { EvaluationInput, RpcResult, StartedEvaluation } from "#shared/wire/services.ts"
import { faultOfSuite, resolvedAnswering } from "#shared/wire/suite-bounds.ts"
import { type ComparisonTerms, type Contestant, contestantName } from "#shared/workflows/comparison.ts"
import { Evaluate, type EvaluatePayload } from "#shared/workflows/evaluate.ts"
import { type Environment, poolOf } from "../Environment.ts"
import { encodePayload } from "../engine/durable-engine.ts"
import { refuse, succeed } from "../rpc-result.ts"
import { contestantOf, judgeOf } from "./contestants.ts"
import { findEvaluation, insertEvaluation } from "./evaluation-rows.ts"

const nameOf = (model: ModelReference) => contestantName({ model })

const invalid = (message: string): RpcResult<never> => refuse("Invalid", message)

/** Refused where a suite cannot be answered so. Claims its blob. */
const faultOfSuiteBlob = async (
  env: Pick<Environment, "DB" | "BLOBS">,
  prompts: string,
  answering: EvaluationSettings["answering"],
): Promise<RpcResult<null>> => {
  if (!(await claimBlobs(env.DB, [prompts], { nowMs: Date.now() })))
    return refuse("Unavailable", "the suite is being deleted, because nothing referred to it; send it again")
  const place = await blobPlace(env.BLOBS, prompts)
  if (place === undefined)
    return invalid(`prompts: blob ${prompts} is not stored; upload it with PUT /v1/blobs/${prompts}`)
  if (place.bytes > LIMITS.suiteBytes)
    return invalid(
      `prompts: the suite has ${place.bytes} bytes, at most ${LIMITS.suiteBytes} are taken; leave some out`,
    )
  const blob = await findBlob(env.BLOBS, prompts)
  if (blob.kind !== "whole") return refuse("Unavailable", `the suite ${prompts} cannot be read now; try again`)
  try {
    const fault = faultOfSuite(readSuite(blob.bytes).length, answering)
    return fault === undefined ? succeed(null) : invalid(`prompts: ${fault}`)
  } catch (cause) {
    if (cause instanceof InvalidSuite) return invalid(`prompts: the suite cannot be used: ${cause.message}`)
    throw cause
  }
}

/** Whom the candidate is held against where nobody is named: what production serves, where that is another version, and its base. */
const usualOpponents = async (env: Environment, candidate: ModelReference): Promise<ModelReference[]> => {
  const registry = env.REGISTRY.getByName(candidate.name)
  const production = (await registry.channels(candidate.name)).find(({ channel }) => channel === "production")
  const base = (await registry.version(candidate.version))?.base
  return [
    ...(production === undefined || production.version === candidate.version
      ? []
      : [{ name: candidate.name, version: production.version }]),
    ...(base === undefined ? [] : [base]),
  ]
}

const faultOfOpponents = (candidate: ModelReference, against: readonly ModelReference[]): string | undefined => {
  const names = against.map(nameOf)
  if (names.length === 0)
    return `against: ${nameOf(candidate)} is a base model, and there is nothing that it is held against by itself; name one`
  if (names.includes(nameOf(candidate))) return "against: a model is not held against itself; name another"
  return new Set(names).size < names.length ? "against: one model is there twice; keep one" : undefined
}

/** The terms of a comparison, the judge by its files. Refused where the suite or the judge cannot be used. */
export const pinTerms = async (
  env: Pick<Environment, "DB" | "BLOBS" | "REGISTRY">,
  { prompts, judge, answering }: EvaluationSettings,
): Promise<RpcResult<ComparisonTerms>> => {
  const pinned = await judgeOf(env, judge)
  if (!pinned.ok) return pinned
  const suite = await faultOfSuiteBlob(env, prompts, answering)
  if (!suite.ok) return suite
  return succeed({ prompts, answering: resolvedAnswering(answering), judge: pinned.value })
}

/** Candidate and opponents, by their files. */
const pinContestants = async (
  env: Pick<Environment, "REGISTRY">,
  models: readonly ModelReference[],
): Promise<RpcResult<Contestant[]>> => {
  const pinned: Contestant[] = []
  for (const model of models) {
    const contestant = await contestantOf(env, model)
    if (!contestant.ok) return contestant
    pinned.push(contestant.value)
  }
  return succeed(pinned)
}

const prepare = async (env: Environment, input: EvaluationInput): Promise<RpcResult<EvaluatePayload>> => {
  const { modelName, version, key, judge } = input
  const candidate = { name: modelName, version }
  if (!isEndpoint(judge) && nameOf(judge.model) === nameOf(candidate))
    return invalid("judge: a model that judges its own answers likes them; name another judge")
  const against = input.against ?? (await usualOpponents(env, candidate))
  const contestants = await pinContestants(env, [candidate, ...against])
  if (!contestants.ok) return contestants
  const fault = faultOfOpponents(candidate, against)
  if (fault !== undefined) return invalid(fault)
  const terms = await pinTerms(env, input)
  if (!terms.ok) return terms
  const [first, opponent, ...others] = contestants.value as [Contestant, Contestant, ...Contestant[]]
  return succeed({
    ...{ modelName, version, key, createdAt: Date.now() },
    comparison: { candidate: first, against: [opponent, ...others], ...terms.value },
    limits: { ...DEFAULT_RUN_LIMITS },
  })
}

/** The id of the evaluation that a request begins: of model and key alone. */
const idOf = ({ modelName, key }: Pick<EvaluationInput, "modelName" | "key">): Promise<string> =>
  sha256Hex(canonicalJson([Evaluate._tag, modelName, key]))

/** Starts the evaluation, or finds the one that this key has. */
export const startEvaluation = async (
  env: Environment,
  input: EvaluationInput,
): Promise<RpcResult<StartedEvaluation>> => {
  const id = await idOf(input)
  if ((await findEvaluation(env.DB, id)) !== undefined) return succeed({ evaluationId: id, created: false })
  const prepared = await prepare(env, input)
  if (!prepared.ok) return prepared
  await insertEvaluation(env.DB, id, prepared.value)
  await poolOf(env).keepSweeping()
  // First the row, then the journal, as a run's: where this process dies in between, the sweep ends the row.
  const { created } = await env.WORKFLOW_RUN.getByName(id).start(
    id,
    Evaluate._tag,
    encodePayload(Evaluate, prepared.value),
  )
  return succeed({ evaluationId: id, created })
}
