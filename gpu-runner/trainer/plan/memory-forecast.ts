// What a run will hold on the device, foreseen: what stays by its sizes, what a step takes by rehearsal (rehearse-step.ts).
import { momentBytes } from "#gpu-runner/optimiser/adamw-state.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import { type DecoderConfig, decoderTensorShapes } from "#shared/formats/families/decoder-config.ts"
import type { Adapter } from "#shared/formats/peft/adapter.ts"
import { heldBytes, heldKind, type ModelBytes } from "#shared/formats/weights/base-weights.ts"
import type { Tensor } from "#shared/formats/weights/tensor.ts"
import { byteSize } from "../quantities.ts"
import type { StepPlan } from "./step-plan.ts"

export interface MemoryForecast {
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
  readonly step: StepPlan
}

type Model = { readonly config: DecoderConfig; readonly tensors: ReadonlyMap<string, Tensor> }
type PlannedConfig = Pick<TrainConfig, "baseWeights" | "optimiser">

/** Parameter and gradient, f32. */
const TRAINED_BYTES = 8

/** Of a run that trains `adapter`, or all weights where there is none. */
export function forecastMemory(
  model: Model,
  config: PlannedConfig,
  { adapter, hasReferenceCopy }: { readonly adapter: Adapter | undefined; readonly hasReferenceCopy: boolean },
  step: StepPlan,
): MemoryForecast {
  const { baseWeights, optimiser } = config
  const trained = adapter ? adapterLengths(adapter) : weightLengths(model)
  const frozen = heldBytes(model.config, (name) => model.tensors.get(name)!.dtype, baseWeights)
  return {
    ...heldKinds(model, config),
    base: adapter && frozen,
    referenceBytes: hasReferenceCopy ? frozen.total : 0,
    trainedParameters: trained.reduce((sum, length) => sum + length, 0),
    trainedBytes: trained.reduce((sum, length) => sum + TRAINED_BYTES * length + momentBytes(length, optimiser), 0),
    step,
  }
}

function adapterLengths({ modules }: Adapter): number[] {
  return [...modules.values()].flatMap(({ a, b }) => [a.length, b.length])
}

function weightLengths({ config }: Model): number[] {
  return [...decoderTensorShapes(config).values()].map((shape) => shape.reduce((product, size) => product * size, 1))
}

function heldKinds({ config, tensors }: Model, { baseWeights }: PlannedConfig) {
  const kinds = { linear: new Set<string>(), table: new Set<string>() }
  for (const [name, shape] of decoderTensorShapes(config)) {
    const of = name.startsWith("model.layers.") ? kinds.linear : kinds.table
    if (shape.length === 2) of.add(heldKind(tensors.get(name)!, baseWeights))
  }
  return { linearKinds: [...kinds.linear].join(" and "), tableKinds: [...kinds.table].join(" and ") }
}

/** The forecast in one line for people. */
export function describeMemory(forecast: MemoryForecast): string {
  const { base, linearKinds, tableKinds } = forecast
  const kinds = linearKinds === tableKinds ? linearKinds : `${linearKinds}, embedding and head ${tableKinds}`
  const trained = `${byteSize(forecast.trainedBytes)} with gradient and moments`
  const parts = [
    ...(base ? [`weights ${byteSize(base.total)} ${kinds}`] : []),
    base ? `adapter ${trained}` : `weights ${trained}, all trained`,
    ...(forecast.referenceBytes > 0 ? [`a copy as the reference ${byteSize(forecast.referenceBytes)}`] : []),
    describeStep(forecast.step),
  ]
  return `memory: ${parts.join("; ")}`
}

function describeStep({
  tokens,
  checkpointing,
  keepsRowGradients,
  stepBytes,
  fixedBytes,
  budgetBytes,
}: StepPlan): string {
  const kept = keepsRowGradients ? ", a gradient for each row among it" : ""
  const ways = checkpointing ? ", activations computed twice" : ""
  const share = budgetBytes === undefined ? "" : ` of ${byteSize(budgetBytes)}`
  const step = `a step up to ${byteSize(stepBytes)} for ${tokens} tokens at once${kept}${ways}`
  return `${step}; together ${byteSize(fixedBytes + stepBytes)}${share}`
}
