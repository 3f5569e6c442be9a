// The methods' names and facts: how each reduces log-probs, which β and which options belong to it, their defaults, and what it reads.
// What a method computes is in its own file; `step-loss.ts` puts them behind one signature.
import type { DpoLoss } from "./dpo.ts"
import { GAP_STD_FLOOR, type StatisticsMode } from "./gap-statistics.ts"
import type { Reduction } from "./pair-log-probs.ts"

export const preferenceMethods = [
  "alpha-dpo",
  "simpo",
  "dpo",
  "ipo",
  "cpo",
  "orpo",
  "r-dpo",
  "kto",
  "alphapo",
  "tdpo",
  "ld-dpo",
] as const
export type PreferenceMethod = (typeof preferenceMethods)[number]

/** `sft` is no preference method: it is a weight rule on one response, see `sftLoss`. */
export type Method = PreferenceMethod | "sft"
export const methodNames = [...preferenceMethods, "sft"] as const

/** Every option of every method; `optionKeysOf` says which ones a method reads. */
export interface MethodOptions {
  readonly method: PreferenceMethod
  /** β; τ of IPO, λ of ORPO. */
  readonly beta: number
  readonly labelSmoothing: number
  readonly gammaBetaRatio: number
  /** α of α-DPO. */
  readonly alpha: number
  readonly statistics: StatisticsMode
  readonly gapStdFloor: number
  readonly officialGroupPairs: number
  readonly dpoLoss: DpoLoss
  readonly ipoReduction: Reduction
  /** α of R-DPO. */
  readonly lengthPenalty: number
  /** a of AlphaPO. */
  readonly alphaPoAlpha: number
  readonly tdpoVariant: 1 | 2
  readonly tdpoAlpha: number
  /** α of LD-DPO. */
  readonly ldAlpha: number
  readonly desirableWeight: number
  readonly undesirableWeight: number
  /** Weight of the NLL of the chosen responses, beside any pairwise method. */
  readonly sftWeight: number
  /** WPO's weights of pairs, beside any pairwise method. */
  readonly useWeighting: boolean
}

export type OptionKey = Exclude<keyof MethodOptions, "method">

interface MethodFacts {
  /** What the loss is a function of; of `ipo` by default. */
  readonly reduction: Reduction
  /** β where none is given. */
  readonly beta: number
  /** The usual range of β. */
  readonly low: number
  readonly high: number
  /** The options that it reads, if others do not rule them out. */
  readonly options: readonly OptionKey[]
}

const pairwise = ["beta", "sftWeight", "useWeighting"] as const
const logistic = [...pairwise, "labelSmoothing"] as const
const ofMeans = { reduction: "mean", beta: 2.5, low: 2, high: 10 } as const
const ofSums = { reduction: "sum", beta: 0.1, low: 0.01, high: 0.1 } as const
/** τ and λ are no inverse temperatures, and belong to no reduction. */
const ofItsOwn = { reduction: "mean", beta: 0.1, low: 0.01, high: 1 } as const

/** How each method reduces token log-probs, with the β and the options that belong to it. */
const methodFacts: Readonly<Record<PreferenceMethod, MethodFacts>> = {
  "alpha-dpo": {
    ...ofMeans,
    options: [...logistic, "gammaBetaRatio", "alpha", "statistics", "gapStdFloor", "officialGroupPairs"],
  },
  simpo: { ...ofMeans, options: [...logistic, "gammaBetaRatio"] },
  dpo: { ...ofSums, options: [...logistic, "dpoLoss"] },
  ipo: { ...ofItsOwn, options: [...pairwise, "ipoReduction"] },
  cpo: { ...ofSums, options: logistic },
  orpo: { ...ofItsOwn, options: pairwise },
  "r-dpo": { ...ofSums, options: [...logistic, "lengthPenalty"] },
  kto: { ...ofSums, options: ["beta", "desirableWeight", "undesirableWeight"] },
  alphapo: { ...ofMeans, options: [...logistic, "gammaBetaRatio", "alphaPoAlpha"] },
  tdpo: { ...ofSums, options: [...logistic, "tdpoVariant", "tdpoAlpha"] },
  "ld-dpo": { ...ofSums, options: [...logistic, "ldAlpha"] },
}

/** A method's options where none is given. CPO and ORPO are their SFT term as much as their comparison. */
export function methodDefaults(method: PreferenceMethod): MethodOptions {
  return {
    method,
    beta: methodFacts[method].beta,
    labelSmoothing: 0,
    gammaBetaRatio: method === "alphapo" ? 0.04 : 0.6,
    alpha: 0.2,
    statistics: "adaptive",
    gapStdFloor: GAP_STD_FLOOR,
    officialGroupPairs: 8,
    dpoLoss: "sigmoid",
    ipoReduction: "mean",
    lengthPenalty: 0.05,
    alphaPoAlpha: 0.25,
    tdpoVariant: 2,
    tdpoAlpha: 0.5,
    ldAlpha: 0.5,
    desirableWeight: 1,
    undesirableWeight: 1,
    sftWeight: method === "cpo" || method === "orpo" ? 1 : 0,
    useWeighting: false,
  }
}

/** Options that another option rules out, with what would let them in. */
const conditions: Readonly<
  Partial<Record<OptionKey, { readonly holds: (options: Partial<MethodOptions>) => boolean; readonly needs: string }>>
> = {
  gapStdFloor: { holds: ({ statistics }) => statistics !== "official", needs: 'statistics "adaptive" or "lagged"' },
  officialGroupPairs: { holds: ({ statistics }) => statistics === "official", needs: 'statistics "official"' },
  labelSmoothing: { holds: ({ dpoLoss }) => dpoLoss !== "hinge", needs: 'dpoLoss "sigmoid" or "robust"' },
  tdpoAlpha: { holds: ({ tdpoVariant }) => tdpoVariant !== 1, needs: "tdpoVariant 2" },
}

export type Choice = { readonly method: Method } & Partial<Omit<MethodOptions, "method">>

/** The options that a method reads, given its other options. */
export function optionKeysOf(choice: Choice): readonly OptionKey[] {
  if (choice.method === "sft") return []
  const { method, ...options } = choice
  return methodFacts[method].options.filter((key) => conditions[key]?.holds(options) ?? true)
}

/** Why a method does not read an option, as a sentence with its mend; undefined where it does. */
export function foreignOption(key: OptionKey, choice: Choice): string | undefined {
  if (optionKeysOf(choice).includes(key)) return undefined
  const { method } = choice
  if (method !== "sft" && methodFacts[method].options.includes(key)) {
    return `${key} is not read without ${conditions[key]?.needs}; leave it out`
  }
  const owners = preferenceMethods.filter((name) => methodFacts[name].options.includes(key))
  return `${key} does not belong to ${method} (it belongs to ${owners.join(", ")}); leave it out or change method`
}

/** β belongs to the other reduction: a mean-reduced method wants about 2 to 10, a summed one .01 to .1. */
export class UnusualBeta extends Error {
  readonly _tag = "UnusualBeta"
  constructor(method: PreferenceMethod, beta: number) {
    const { reduction, low, high } = methodFacts[method]
    super(
      `beta ${beta} does not belong to ${method}, which reduces log-probs by ${reduction} and wants about ${low} to ${high}; ` +
        "change beta or method, or set allowUnusualBeta",
    )
    this.name = "UnusualBeta"
  }
}

/** Geometric middle between .1 and 2: a β beyond it was meant for the other reduction. */
const BETA_BOUNDARY = Math.sqrt(0.1 * 2)
/** Geometric middle between 1 and 2: a τ or λ beyond it was meant as a β of means. */
const OWN_BOUNDARY = Math.sqrt(1 * 2)

/** Throws UnusualBeta when β lies on the other reduction's side of √(.1·2) ≈ .447, or a τ of ipo or λ of orpo above √2. */
export function checkBeta(method: PreferenceMethod, beta: number): void {
  const isUsual =
    method === "ipo" || method === "orpo"
      ? beta <= OWN_BOUNDARY
      : beta <= BETA_BOUNDARY === (methodFacts[method].reduction === "sum")
  if (!isUsual) throw new UnusualBeta(method, beta)
}

/** How a method with these options reduces log-probs. */
export function reductionOf({ method, ipoReduction }: Pick<MethodOptions, "method" | "ipoReduction">): Reduction {
  return method === "ipo" ? ipoReduction : methodFacts[method].reduction
}

const REFERENCE_FREE: readonly PreferenceMethod[] = ["simpo", "cpo", "orpo", "alphapo"]

/** Whether the loss (not only the log) reads reference log-probs. */
export function needsReference({
  method,
  alpha,
}: Pick<MethodOptions, "method"> & { readonly alpha?: number | undefined }): boolean {
  return method === "alpha-dpo" ? alpha !== 0 : !REFERENCE_FREE.includes(method)
}

/** Whether the reference's log-probs are needed token by token, not only as sums. */
export function needsReferenceTokens({ method }: { readonly method: Method }): boolean {
  return method === "ld-dpo"
}

/** Whether the reference model itself is needed at every step, for its whole distributions. */
export function needsReferenceModel({ method }: { readonly method: Method }): boolean {
  return method === "tdpo"
}
