// Models of the registry as contestants and judges: pinned by their files when an evaluation is asked for, so that its jobs see what its start saw.
import type { ModelReference } from "#shared/domain/Dataset.ts"
import { isEndpoint, type Judge, rewardRuleOf } from "#shared/domain/EvaluationSettings.ts"
import type { ModelVersion } from "#shared/domain/Model.ts"
import { ADAPTER_FILES, heldAs } from "#shared/wire/job.ts"
import type { RpcResult } from "#shared/wire/services.ts"
import { type Contestant, contestantName, type PinnedJudge } from "#shared/workflows/comparison.ts"
import type { Environment } from "../Environment.ts"
import { refuse, succeed } from "../rpc-result.ts"

type Registries = Pick<Environment, "REGISTRY">

interface Found {
  readonly version: ModelVersion
  /** What its log-probs are a change of: itself, for a base. */
  readonly base: ModelVersion
}

const find = async ({ REGISTRY }: Registries, reference: ModelReference): Promise<RpcResult<Found>> => {
  const version = await REGISTRY.getByName(reference.name).version(reference.version)
  if (version === null)
    return refuse(
      "NotFound",
      `${contestantName({ model: reference })} is not registered; GET /v1/models lists what there is`,
    )
  if (version.kind === "base") return succeed({ version, base: version })
  const base = version.base && (await REGISTRY.getByName(version.base.name).version(version.base.version))
  if (!base)
    return refuse(
      "Invalid",
      `the base model of ${contestantName({ model: reference })} is not registered; register it again`,
    )
  return succeed({ version, base })
}

const adapterOf = ({ files }: ModelVersion) =>
  Object.fromEntries(ADAPTER_FILES.map((file) => [file, files[file] ?? ""]))

const sourceOf = ({ source }: ModelVersion) => (source === undefined ? {} : { baseSource: source })

/** Answers as it was trained: over its base as that was held. */
export const contestantOf = async (env: Registries, model: ModelReference): Promise<RpcResult<Contestant>> => {
  const found = await find(env, model)
  if (!found.ok) return found
  const { version, base } = found.value
  const { baseWeights } = heldAs(version.metrics)
  const held = baseWeights === undefined ? {} : { baseWeights }
  if (version.kind === "finetune") return succeed({ model, base: version.files, ...held })
  const adapter = version.kind === "base" ? {} : { adapter: adapterOf(version) }
  return succeed({ model, base: base.files, ...sourceOf(base), ...adapter, ...held })
}

/**
 * A model that judges has learnt what people prefer: a base has not, unless its own log-probs are what is asked for. What stands behind an endpoint
 * nobody asks before the answers are there.
 */
export const judgeOf = async (env: Registries, judge: Judge): Promise<RpcResult<PinnedJudge>> => {
  if (isEndpoint(judge)) {
    const { price, budget } = judge
    return budget?.cost !== undefined && price === undefined
      ? refuse("Invalid", "judge: a cost is counted by a price; say judge.price, or leave judge.budget.cost out")
      : succeed({ named: judge })
  }
  const found = await find(env, judge.model)
  if (!found.ok) return found
  const { version, base } = found.value
  if (version.kind === "base" && rewardRuleOf(judge).readsReference)
    return refuse(
      "Invalid",
      `judge: ${contestantName(judge)} is a base model, and a log-ratio is one's to its base; name a model that a run made, or the reward mean-log-prob`,
    )
  const made =
    version.kind === "base"
      ? {}
      : version.kind === "finetune"
        ? { model: version.files }
        : { adapter: adapterOf(version) }
  return succeed({ named: judge, base: base.files, ...sourceOf(base), ...made, ...heldAs(version.metrics) })
}
