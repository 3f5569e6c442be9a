// The keys of `train --config` and of a run's configuration, with their defaults. Unknown keys are errors, and so are keys that the
// chosen method does not read. Defaults that depend on the method or on LoRA are filled in after decoding, so that a resolved config
// names every value that the run reads, and no other.
import { Result, Schema } from "effect"
import { BASE_WEIGHTS } from "#shared/formats/weights/base-weights.ts"
import { PRODUCT_PRECISIONS } from "#shared/formats/weights/product-precision.ts"
import { describeIssues } from "./config-issues.ts"
import { belowOne, numberAbove, numberBetween, wholeBetween } from "./config-numbers.ts"
import { TRAIN_DATA_DEFAULTS, trainDataFields } from "./TrainData.ts"
import { type OPTIONAL_LOOP_KEYS, resolveTrainLoop, trainLoopFault, trainLoopFields } from "./TrainLoop.ts"
import { type OptionKey, overridden, resolveTrainMethod, trainMethodFault, trainMethodFields } from "./TrainMethod.ts"

export const LoraTarget = Schema.Literals(["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"])
export type LoraTarget = typeof LoraTarget.Type

const key = Schema.optionalKey

/** What a user may write; every key may be left out. */
export const TrainConfigInput = Schema.Struct({
  ...trainMethodFields,
  /** .256 / the model's hidden size with LoRA, 1e-6 without; sft: 2e-4 and 2e-5 */
  learningRate: key(numberAbove(0, 10)),
  /** Pairs (or rows of sft) per optimiser step; about a sixteenth of the rows, 4 to 32 */
  batch: key(wholeBetween(1, 65_536)),
  /** Passes over the data; as many as make about 100 steps, 1 to 3 */
  epochs: key(wholeBetween(1, 10_000)),
  ...trainLoopFields,
  /** 0 */
  weightDecay: key(numberBetween(0, 100)),
  /** .9 */
  adamBeta1: key(belowOne),
  /** .999 */
  adamBeta2: key(belowOne),
  /** 1e-8 */
  adamEpsilon: key(numberAbove(0, 1)),
  /** Gradients are clipped to this global norm; 0 turns it off; 1 */
  maxGradNorm: key(numberBetween(0, 1e6)),
  /** A new order of the data every epoch, from the seed; true */
  shuffle: key(Schema.Boolean),
  /** 42 */
  seed: key(wholeBetween(0, 2 ** 32 - 1)),
  /** 0 trains all weights; 16 */
  loraRank: key(wholeBetween(0, 1024)),
  /** Scaling is loraAlpha / loraRank, or loraAlpha / √loraRank with useRankStabilisedLora; twice the rank */
  loraAlpha: key(numberAbove(0, 65_536)),
  /** Share of the input of every adapted module's A that training steps zero; 0 */
  loraDropout: key(belowOne),
  /** rsLoRA: scaling is loraAlpha / √loraRank; false */
  useRankStabilisedLora: key(Schema.Boolean),
  /** all seven linear modules */
  loraTargets: key(
    Schema.Array(LoraTarget).check(Schema.isMinLength(1), Schema.isMaxLength(LoraTarget.literals.length)),
  ),
  /** How a frozen base is held: bf16, f16, int8, nf4, f32, or in the checkpoint's own dtype; stored. With loraRank 0 stored or f32 */
  baseWeights: key(Schema.Literals(BASE_WEIGHTS)),
  /** Whether a GPU's matrix units may round the operands of products to f16, with sums in f32 (mixed), or not (f32); mixed */
  precision: key(Schema.Literals(PRODUCT_PRECISIONS)),
  /** Tokens of a prompt and its longer response, at most the model's own limit; 2048, or that limit where it is less */
  maxLength: key(wholeBetween(2, 1_048_576)),
  /** What to do with longer ones; drop */
  overflow: key(Schema.Literals(["drop", "truncate", "error"])),
  ...trainDataFields,
  /** Most tokens computed at once; chosen by the memory plan when absent. Results depend on it by rounding alone */
  tokensPerMicroBatch: key(wholeBetween(1, 16_777_216)),
  /** Keep the layers' inputs alone and compute activations again: where memory asks for it, never, or always. Same bits; auto */
  checkpointing: key(Schema.Literals(["auto", "never", "always"])),
  /** GB (1e9 bytes) that the run may take of the device; most of what the device says it has, when absent */
  deviceMemoryGb: key(numberAbove(0, 100_000)),
  /** Largest difference of policy and reference before the first step, nats per token; 1e-3 */
  selfTestTolerance: key(numberAbove(0, 100)),
}).annotate({ identifier: "TrainConfigInput" })

type Input = typeof TrainConfigInput.Type
type OptionalWhenResolved =
  | "tokensPerMicroBatch"
  | "deviceMemoryGb"
  | "learningRate"
  | "batch"
  | "epochs"
  | (typeof OPTIONAL_LOOP_KEYS)[number]
  | OptionKey

/**
 * A resolved configuration: every value named that the run reads. The method's options are those that `optionKeysOf` lists;
 * `tokensPerMicroBatch` and `deviceMemoryGb` are absent when the device's memory decides, `learningRate`, `batch` and `epochs` when the
 * model and the rows do (gpu-runner/trainer/rows/fitted-config.ts), a schedule's own keys where it has none.
 */
export type TrainConfig = Required<Omit<Input, OptionalWhenResolved>> & Pick<Input, OptionalWhenResolved>

/** The configuration cannot be used; the message names the key and what it may be. */
export class InvalidTrainConfig extends Schema.TaggedError<InvalidTrainConfig>()("InvalidTrainConfig", {
  message: Schema.String,
}) {}

const ALL_TARGETS = LoraTarget.literals

const decodeInput = Schema.decodeUnknownResult(TrainConfigInput, { onExcessProperty: "error", errors: "all" })

/**
 * Decodes and resolves a configuration. A failure names every unknown key and value out of range, a key that the method does not read, or
 * a β of the other reduction. `base` (a preset, a dataset's configuration) is overridden key by key; where `input` chooses another
 * method, options that the base's method reads and this one does not fall away. A β stays, and is refused where it is of the other
 * reduction.
 */
export function decodeTrainConfig(
  input: unknown,
  base: Readonly<Record<string, unknown>> = {},
): Result.Result<TrainConfig, InvalidTrainConfig> {
  const written = overridden(base, input)
  return decodeInput(written).pipe(
    Result.mapError(
      ({ message }) =>
        new InvalidTrainConfig({
          message: `the training configuration cannot be used: ${describeIssues(message, written, knownKeys)}`,
        }),
    ),
    Result.flatMap(withOwnOptions),
    Result.map(resolve),
    Result.flatMap(withTrainableWeights),
    Result.flatMap(withFittingLoop),
    Result.flatMap(withAdapterOptions),
  )
}

/** Every key that is written must be one that the method reads. */
function withOwnOptions(input: Input): Result.Result<Input, InvalidTrainConfig> {
  const fault = trainMethodFault(input)
  return fault === undefined
    ? Result.succeed(input)
    : Result.fail(new InvalidTrainConfig({ message: `the training configuration cannot be used: ${fault}` }))
}

/** All weights are trained in f32: steps are far smaller than what fewer bits can hold. */
function withTrainableWeights(config: TrainConfig): Result.Result<TrainConfig, InvalidTrainConfig> {
  const { loraRank, baseWeights } = config
  if (loraRank > 0 || baseWeights === "stored" || baseWeights === "f32") return Result.succeed(config)
  const fault = `baseWeights ${baseWeights} holds a frozen base, and loraRank 0 trains all weights in f32`
  return Result.fail(new InvalidTrainConfig({ message: `${fault}; set loraRank, or leave baseWeights out` }))
}

function withAdapterOptions(config: TrainConfig): Result.Result<TrainConfig, InvalidTrainConfig> {
  const { loraRank, loraDropout, useRankStabilisedLora } = config
  if (loraRank > 0 || (loraDropout === 0 && !useRankStabilisedLora)) return Result.succeed(config)
  const fault = `${loraDropout > 0 ? "loraDropout" : "useRankStabilisedLora"} belongs to an adapter, and loraRank 0 trains without one`
  return Result.fail(new InvalidTrainConfig({ message: `${fault}; set loraRank, or leave the option out` }))
}

function withFittingLoop(config: TrainConfig): Result.Result<TrainConfig, InvalidTrainConfig> {
  const fault = trainLoopFault(config)
  return fault === undefined
    ? Result.succeed(config)
    : Result.fail(new InvalidTrainConfig({ message: `the training configuration cannot be used: ${fault}` }))
}

const knownKeys = Object.keys(TrainConfigInput.fields)

/** Tokens; a model whose own limit is less takes that. */
export const DEFAULT_MAX_LENGTH = 2048

function resolve(input: Input): TrainConfig {
  const ofMethod = resolveTrainMethod(input)
  const loraRank = input.loraRank ?? 16
  return {
    ...ofMethod,
    ...resolveTrainLoop(input),
    weightDecay: 0,
    adamBeta1: 0.9,
    adamBeta2: 0.999,
    adamEpsilon: 1e-8,
    maxGradNorm: 1,
    shuffle: true,
    seed: 42,
    loraRank,
    loraAlpha: 2 * Math.max(1, loraRank),
    loraTargets: [...ALL_TARGETS],
    loraDropout: 0,
    useRankStabilisedLora: false,
    baseWeights: "stored",
    precision: "mixed",
    maxLength: DEFAULT_MAX_LENGTH,
    overflow: "drop",
    ...TRAIN_DATA_DEFAULTS,
    checkpointing: "auto",
    selfTestTolerance: 1e-3,
    ...input,
  }
}
