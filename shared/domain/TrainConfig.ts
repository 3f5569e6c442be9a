// The keys of `train --config` and of a run's configuration, with their defaults. Unknown keys are errors, and so are keys that the
// chosen method does not read. Defaults that depend on the method or on LoRA are filled in after decoding, so that a resolved config
// names every value that the run reads, and no other.
import { Result, Schema } from "effect"
import {
  checkBeta,
  foreignOption,
  methodDefaults,
  methodNames,
  type OptionKey,
  optionKeysOf,
  UnusualBeta,
} from "#shared/preference/methods.ts"

const positive = Schema.Finite.check(Schema.isGreaterThan(0))
const notNegative = Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))
const share = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))
const belowOne = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1, exclusiveMaximum: true }))
const count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))

export const TrainMethod = Schema.Literals(methodNames)
export type TrainMethod = typeof TrainMethod.Type

export const LoraTarget = Schema.Literals(["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"])
export type LoraTarget = typeof LoraTarget.Type

const key = Schema.optionalKey

/** What a user may write; every key may be left out. */
export const TrainConfigInput = Schema.Struct({
  /** alpha-dpo */
  method: key(TrainMethod),
  /** 2.5 for methods on mean log-probs (alpha-dpo, simpo, alphapo), .1 for the others; τ of ipo, λ of orpo */
  beta: key(positive),
  /** γ/β of alpha-dpo, simpo (.6) and alphapo (.04) */
  gammaBetaRatio: key(Schema.Finite),
  /** alpha-dpo's α: .2; 0 is simpo */
  alpha: key(notNegative),
  /** ε of the methods on a logistic loss; 0 */
  labelSmoothing: key(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 0.5, exclusiveMaximum: true }))),
  /** dpo's loss of the logit; sigmoid */
  dpoLoss: key(Schema.Literals(["sigmoid", "robust", "hinge"])),
  /** Whether ipo compares means or sums of log-probs; mean */
  ipoReduction: key(Schema.Literals(["mean", "sum"])),
  /** r-dpo's α: what a token of a response costs; .05 */
  lengthPenalty: key(notNegative),
  /** alphapo's a; .25; 0 is simpo */
  alphaPoAlpha: key(Schema.Finite),
  /** TDPO1 or TDPO2; 2 */
  tdpoVariant: key(Schema.Literals([1, 2])),
  /** α of TDPO2; .5; 0 is dpo */
  tdpoAlpha: key(notNegative),
  /** ld-dpo's α: the weight of the tokens beyond the shorter response; .5; 1 is dpo */
  ldAlpha: key(share),
  /** kto's λ_D; 1 */
  desirableWeight: key(notNegative),
  /** kto's λ_U; 1 */
  undesirableWeight: key(notNegative),
  /** Weight of the NLL of the chosen responses beside a pairwise method; 0, of cpo and orpo 1 */
  sftWeight: key(notNegative),
  /** Weighs pairs by their likelihood under the policy (WPO), beside a pairwise method; false */
  useWeighting: key(Schema.Boolean),
  /** Accepts a β that belongs to the other reduction; false */
  allowUnusualBeta: key(Schema.Boolean),
  /** 1e-5 with LoRA, 1e-6 without; sft: 2e-4 and 2e-5 */
  learningRate: key(positive),
  /** Pairs (or rows of sft) per optimiser step; 32 */
  batch: key(count),
  /** Passes over the data; 1 */
  epochs: key(count),
  /** cosine */
  schedule: key(Schema.Literals(["constant", "linear", "cosine"])),
  /** Warm-up steps = ceil(ratio × steps); .1 */
  warmupRatio: key(share),
  /** 0 */
  weightDecay: key(notNegative),
  /** .9 */
  adamBeta1: key(belowOne),
  /** .999 */
  adamBeta2: key(belowOne),
  /** 1e-8 */
  adamEpsilon: key(positive),
  /** Gradients are clipped to this global norm; 0 turns it off; 1 */
  maxGradNorm: key(notNegative),
  /** A new order of the data every epoch, from the seed; true */
  shuffle: key(Schema.Boolean),
  /** 42 */
  seed: key(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 32 - 1 }))),
  /** 0 trains all weights; 16 */
  loraRank: key(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1024 }))),
  /** Scaling is loraAlpha / loraRank; twice the rank */
  loraAlpha: key(positive),
  /** all seven linear modules */
  loraTargets: key(Schema.Array(LoraTarget).check(Schema.isMinLength(1))),
  /** Tokens of a prompt and its longer response; 2048, or the model's own limit where that is less */
  maxLength: key(Schema.Int.check(Schema.isGreaterThanOrEqualTo(2))),
  /** What to do with longer ones; drop */
  overflow: key(Schema.Literals(["drop", "truncate", "error"])),
  /** Which running values normalise alpha-dpo's gap; adaptive */
  statistics: key(Schema.Literals(["adaptive", "official", "lagged"])),
  /** Floor of the gap's deviation, nats per token; 1e-3 */
  gapStdFloor: key(positive),
  /** Pairs of one update of `official` statistics; 8 */
  officialGroupPairs: key(Schema.Int.check(Schema.isGreaterThanOrEqualTo(2))),
  /** Most tokens computed at once; chosen from the model's size when absent. Results do not depend on it */
  tokensPerMicroBatch: key(count),
  /** Optimiser steps between checkpoints; 10 */
  checkpointEvery: key(count),
  /** Largest difference of policy and reference before the first step, nats per token; 1e-3 */
  selfTestTolerance: key(positive),
})

type Input = typeof TrainConfigInput.Type
type OptionalWhenResolved = "tokensPerMicroBatch" | OptionKey

/**
 * A resolved configuration: every value named that the run reads. The method's options are those that `optionKeysOf` lists;
 * `tokensPerMicroBatch` is absent when the model's size decides.
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
  return decodeInput(overridden(base, input)).pipe(
    Result.mapError(
      ({ message }) =>
        new InvalidTrainConfig({
          message: `the training configuration cannot be used: ${readable(message)}; known keys: ${knownKeys.join(", ")}`,
        }),
    ),
    Result.flatMap(withOwnOptions),
    Result.map(resolve),
    Result.flatMap(withUsualBeta),
  )
}

function overridden(base: Readonly<Record<string, unknown>>, input: unknown): unknown {
  if (typeof input !== "object" || input === null || Array.isArray(input)) return input
  const merged: Readonly<Record<string, unknown>> = { ...base, ...input }
  const isForeign = (name: OptionKey, of: Readonly<Record<string, unknown>>) => {
    const { method = DEFAULT_METHOD } = of
    return isMethod(method) && foreignOption(name, { ...of, method }) !== undefined
  }
  const fallsAway = (name: string) =>
    !(name in input) && isOptionKey(name) && isForeign(name, merged) && !isForeign(name, base)
  return Object.fromEntries(Object.entries(merged).filter(([name]) => !fallsAway(name)))
}

/** Every key that is written must be one that the method reads. */
function withOwnOptions(input: Input): Result.Result<Input, InvalidTrainConfig> {
  const choice = { ...input, method: input.method ?? DEFAULT_METHOD }
  const faults = OPTION_KEYS.flatMap((name) => (name in input ? (foreignOption(name, choice) ?? []) : []))
  return faults.length === 0
    ? Result.succeed(input)
    : Result.fail(
        new InvalidTrainConfig({ message: `the training configuration cannot be used: ${faults.join("; ")}` }),
      )
}

function withUsualBeta(config: TrainConfig): Result.Result<TrainConfig, InvalidTrainConfig> {
  if (config.method === "sft" || config.beta === undefined || config.allowUnusualBeta) return Result.succeed(config)
  try {
    checkBeta(config.method, config.beta)
    return Result.succeed(config)
  } catch (error) {
    if (!(error instanceof UnusualBeta)) throw error
    return Result.fail(new InvalidTrainConfig({ message: error.message }))
  }
}

/** Why a run over a pack, which holds scored pairs and nothing else, cannot use a method; undefined where it can. */
export function unservableMethod(method: TrainMethod): string | undefined {
  if (method === "sft") return "method: sft trains on texts, and a run trains on pairs; choose a preference method"
  if (method !== "kto") return undefined
  return "method: kto also needs scores of mismatched completions, which a run's pack does not hold; choose another preference method, or train with `yohaku train`"
}

const knownKeys = Object.keys(TrainConfigInput.fields)
const DEFAULT_METHOD = "alpha-dpo"
const OPTION_KEYS = Object.keys(methodDefaults(DEFAULT_METHOD)).filter((name): name is OptionKey => name !== "method")
const isOptionKey = (name: string): name is OptionKey => (OPTION_KEYS as readonly string[]).includes(name)
const isMethod = Schema.is(TrainMethod)

/** Schema's issues in one line, with the words of this file's readers. */
function readable(issues: string): string {
  return issues
    .trim()
    .replaceAll(/\s*\n\s*at /g, " at ")
    .replaceAll(/\s*\n\s*/g, "; ")
    .replaceAll("Expected no excess property at", "unknown key")
}

const DEFAULT_LEARNING_RATES = {
  preference: { lora: 1e-5, full: 1e-6 },
  sft: { lora: 2e-4, full: 2e-5 },
} as const

function resolve(input: Input): TrainConfig {
  const method = input.method ?? DEFAULT_METHOD
  const loraRank = input.loraRank ?? 16
  return {
    method,
    ...ownDefaults({ ...input, method }),
    allowUnusualBeta: false,
    learningRate: DEFAULT_LEARNING_RATES[method === "sft" ? "sft" : "preference"][loraRank > 0 ? "lora" : "full"],
    batch: 32,
    epochs: 1,
    schedule: "cosine",
    warmupRatio: 0.1,
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
    maxLength: 2048,
    overflow: "drop",
    checkpointEvery: 10,
    selfTestTolerance: 1e-3,
    ...input,
  }
}

/** Defaults of the options that the method reads. */
function ownDefaults(choice: Input & { readonly method: TrainMethod }): Pick<Input, OptionKey> {
  if (choice.method === "sft") return {}
  const defaults = methodDefaults(choice.method)
  return Object.fromEntries(optionKeysOf(choice).map((name) => [name, defaults[name]]))
}
