// What a run will hold on the device, foreseen from sizes alone. Without the padding of buffers, the attention's tiles and the head's
// chunk of logits (32 MiB).
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import { heldBytes, heldKind, type ModelBytes } from "#shared/formats/base-weights.ts"
import { type DecoderConfig, decoderTensorShapes } from "#shared/formats/decoder-config.ts"
import type { Adapter } from "#shared/formats/peft.ts"
import type { Tensor } from "#shared/formats/tensor.ts"
import { activationBytesPerToken } from "./token-budget.ts"

export interface MemoryPlan {
  /** How linear layers are held: "nf4", or several kinds where the checkpoint mixes them. */
  readonly linearKinds: string
  /** How embedding and head are held. */
  readonly tableKinds: string
  /** The frozen base; undefined where all weights are trained. */
  readonly base: ModelBytes | undefined
  /** A frozen copy of what the run starts from, for methods that read the reference itself; 0 where the policy's base serves. */
  readonly referenceBytes: number
  readonly trainedParameters: number
  /** Trained parameters with their gradients and both moments. */
  readonly trainedBytes: number
  /** Most tokens of a micro-batch, and the bytes of their kept activations. */
  readonly tokens: number
  readonly activationBytes: number
}

type Model = { readonly config: DecoderConfig; readonly tensors: ReadonlyMap<string, Tensor> }
type PlannedConfig = Pick<TrainConfig, "baseWeights"> & { readonly tokensPerMicroBatch: number }

// Parameter, gradient, first and second moment, f32.
const TRAINED_BYTES = 16

/** The plan of a run that trains `adapter`, or all weights where there is none. */
export function memoryPlan(
  model: Model,
  config: PlannedConfig,
  { adapter, hasReferenceCopy }: { readonly adapter: Adapter | undefined; readonly hasReferenceCopy: boolean },
): MemoryPlan {
  const { tokensPerMicroBatch: tokens, baseWeights } = config
  const trainedParameters = adapter ? adapterParameters(adapter) : weightCount(model)
  const frozen = heldBytes(model.config, (name) => model.tensors.get(name)!.dtype, baseWeights)
  return {
    ...heldKinds(model, config),
    base: adapter && frozen,
    referenceBytes: hasReferenceCopy ? frozen.total : 0,
    trainedParameters,
    trainedBytes: TRAINED_BYTES * trainedParameters,
    tokens,
    activationBytes: tokens * activationBytesPerToken(model.config),
  }
}

function adapterParameters({ modules }: Adapter): number {
  let count = 0
  for (const { a, b } of modules.values()) count += a.length + b.length
  return count
}

function weightCount({ config, tensors }: Model): number {
  return heldBytes(config, (name) => tensors.get(name)!.dtype, "f32").total / 4
}

function heldKinds({ config, tensors }: Model, { baseWeights }: PlannedConfig) {
  const kinds = { linear: new Set<string>(), table: new Set<string>() }
  for (const [name, shape] of decoderTensorShapes(config)) {
    const of = name.startsWith("model.layers.") ? kinds.linear : kinds.table
    if (shape.length === 2) of.add(heldKind(tensors.get(name)!, baseWeights))
  }
  return { linearKinds: [...kinds.linear].join(" and "), tableKinds: [...kinds.table].join(" and ") }
}

/** The plan in one line for people. */
export function describeMemory(plan: MemoryPlan): string {
  const { base, linearKinds, tableKinds } = plan
  const kinds = linearKinds === tableKinds ? linearKinds : `${linearKinds}, embedding and head ${tableKinds}`
  const trained = `${bytesText(plan.trainedBytes)} with gradient and moments`
  const parts = [
    ...(base ? [`weights ${bytesText(base.total)} ${kinds}`] : []),
    base ? `adapter ${trained}` : `weights ${trained}, all trained`,
    ...(plan.referenceBytes > 0 ? [`a copy as the reference ${bytesText(plan.referenceBytes)}`] : []),
    `activations up to ${bytesText(plan.activationBytes)} for ${plan.tokens} tokens at once`,
    ...(base && base.largestExpansion > 0 ? [`one expanded matrix ${bytesText(base.largestExpansion)}`] : []),
  ]
  return `memory: ${parts.join("; ")}`
}

/** "6.03 GB", "671 MB": decimal units, three digits. */
function bytesText(bytes: number): string {
  const [unit, name] = bytes >= 1e9 ? [1e9, "GB"] : bytes >= 1e6 ? [1e6, "MB"] : [1e3, "kB"]
  const number = bytes / unit
  return `${number.toFixed(number >= 100 ? 0 : number >= 10 ? 1 : 2)} ${name}`
}
