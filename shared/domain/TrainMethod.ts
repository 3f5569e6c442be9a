// The configuration's keys of the method: its name and its options. They are part of TrainConfig; here are their fields, their defaults,
// and which method reads which. A key that the chosen method would ignore is an error.
import { Schema } from "effect"
import {
  checkBeta,
  foreignOption,
  type MethodOptions,
  methodDefaults,
  methodNames,
  type OptionKey,
  optionKeysOf,
  UnusualBeta,
} from "#shared/methods/methods.ts"

const key = Schema.optionalKey
const positive = Schema.Finite.check(Schema.isGreaterThan(0))
const notNegative = Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))
const share = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))

export const TrainMethod = Schema.Literals(methodNames)
export type TrainMethod = typeof TrainMethod.Type

export const trainMethodFields = {
  /** alpha-dpo */
  method: key(TrainMethod),
  /** 2.5 for methods on mean log-probs (alpha-dpo, simpo, alphapo), .1 for the others; τ of ipo, λ of orpo */
  beta: key(positive),
  /** γ/β of alpha-dpo, simpo (.6) and alphapo (.04) */
  gammaBetaRatio: key(Schema.Finite),
  /** alpha-dpo's α: .2; 0 is simpo */
  alpha: key(notNegative),
  /** Which running values normalise alpha-dpo's gap; adaptive */
  statistics: key(Schema.Literals(["adaptive", "official", "lagged"])),
  /** Floor of the gap's deviation, nats per token; 1e-3 */
  gapStdFloor: key(positive),
  /** Pairs of one update of `official` statistics; 8 */
  officialGroupPairs: key(Schema.Int.check(Schema.isGreaterThanOrEqualTo(2))),
  /** ε of the methods on a logistic loss; 0 */
  labelSmoothing: key(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 0.5, exclusiveMaximum: true }))),
  /** dpo's loss of the logit; sigmoid */
  dpoLoss: key(Schema.Literals(["sigmoid", "robust", "hinge"])),
  /** Whether ipo compares means or sums of log-probs; mean */
  ipoReduction: key(Schema.Literals(["mean", "sum"])),
  /** r-dpo's α: what a token of a response costs; .05; 0 is dpo */
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
}

const inputSchema = Schema.Struct(trainMethodFields)
export type TrainMethodInput = typeof inputSchema.Type
export type { OptionKey }

const DEFAULT_METHOD = "alpha-dpo"
const OPTION_KEYS = Object.keys(methodDefaults(DEFAULT_METHOD)).filter((name): name is OptionKey => name !== "method")
const isOptionKey = (name: string): name is OptionKey => (OPTION_KEYS as readonly string[]).includes(name)
const isMethod = Schema.is(TrainMethod)

/** The method, and the defaults of the options that it reads. */
export function resolveTrainMethod(
  input: TrainMethodInput,
): Required<Pick<TrainMethodInput, "method" | "allowUnusualBeta">> & Pick<TrainMethodInput, OptionKey> {
  const { method = DEFAULT_METHOD } = input
  const resolved = { method, allowUnusualBeta: false }
  if (method === "sft") return resolved
  const defaults: MethodOptions = methodDefaults(method)
  return {
    ...resolved,
    ...Object.fromEntries(optionKeysOf({ ...input, method }).map((name) => [name, defaults[name]])),
  }
}

/** What is wrong with written keys: one that the method does not read, or a β of the other reduction; undefined where nothing is. */
export function trainMethodFault(input: TrainMethodInput): string | undefined {
  const { method = DEFAULT_METHOD, beta, allowUnusualBeta } = input
  const foreign = OPTION_KEYS.flatMap((name) =>
    name in input ? (foreignOption(name, { ...input, method }) ?? []) : [],
  )
  if (foreign.length > 0) return foreign.join("; ")
  if (method === "sft" || beta === undefined || allowUnusualBeta) return undefined
  try {
    checkBeta(method, beta)
    return undefined
  } catch (error) {
    if (!(error instanceof UnusualBeta)) throw error
    return error.message
  }
}

/**
 * `input` over a base (a preset, a dataset's configuration), key by key. Options that the base's own choice of method reads and the new
 * choice does not fall away; everything written in `input` stays, to be judged.
 */
export function overridden(base: Readonly<Record<string, unknown>>, input: unknown): unknown {
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

/** Why a run over a pack, which holds scored pairs and nothing else, cannot use a method; undefined where it can. */
export function unservableMethod(method: TrainMethod): string | undefined {
  if (method === "sft") return "method: sft trains on texts, and a run trains on pairs; choose a preference method"
  if (method !== "kto") return undefined
  return "method: kto also needs scores of mismatched completions, which a run's pack does not hold; choose another preference method, or train with `yohaku train`"
}
