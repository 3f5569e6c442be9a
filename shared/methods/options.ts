// The options that several methods share: β, the logistic loss's smoothing, the margin, and what stands beside every comparison of pairs.
import { choiceOption, numberOption, switchOption } from "./option.ts"
import type { Reduction } from "./pair-log-probs.ts"

/** β as a method wants it. */
export interface BetaRange {
  readonly default: number
  /** The usual range. */
  readonly low: number
  readonly high: number
  /** What the method's paper calls it, where that is not β. */
  readonly symbol?: string
  /** Whether a β was meant for this method; one beyond was meant for the other reduction. */
  readonly isUsual: (beta: number) => boolean
}

/** Geometric middle between .1 and 2: a β beyond it was meant for the other reduction. */
const BETA_BOUNDARY = Math.sqrt(0.1 * 2)
/** Geometric middle between 1 and 2: a τ or λ beyond it was meant as a β of means. */
const OWN_BOUNDARY = Math.sqrt(1 * 2)

export const betaOf: Readonly<Record<Reduction, BetaRange>> = {
  mean: { default: 2.5, low: 2, high: 10, isUsual: (beta) => beta > BETA_BOUNDARY },
  sum: { default: 0.1, low: 0.01, high: 0.1, isUsual: (beta) => beta <= BETA_BOUNDARY },
}

/** τ and λ are no inverse temperatures, and belong to no reduction. */
export function betaOfItsOwn(symbol: string): BetaRange {
  return { default: 0.1, low: 0.01, high: 1, symbol, isUsual: (beta) => beta <= OWN_BOUNDARY }
}

/** Of every preference method; its default is the method's. */
export const beta = numberOption("beta", {
  above: 0,
  to: 1000,
  default: betaOf.mean.default,
  about: "β",
})

export const gammaBetaRatio = numberOption("gammaBetaRatio", {
  from: 0,
  to: 100,
  default: 0.6,
  about: "γ/β, nats per token (TRL's `simpo_gamma` is γ)",
  elsewhere: {
    renamed: ["gamma_beta_ratio"],
    advice: { simpo_gamma: "gammaBetaRatio is simpo_gamma / beta" },
  },
})

export const labelSmoothing = numberOption("labelSmoothing", {
  from: 0,
  below: 0.5,
  default: 0,
  about: "ε of a logistic loss",
  elsewhere: { renamed: ["label_smoothing"] },
})

/** Of every method that compares pairs. */
export const sftWeight = numberOption("sftWeight", {
  from: 0,
  to: 1000,
  default: 0,
  about: "weight of the chosen responses' NLL",
  elsewhere: {
    renamed: ["cpo_alpha", "rpo_alpha"],
    advice: { loss_weights: 'sftWeight is the weight of "sft" beside the method\'s own loss of weight 1' },
  },
})

/** Of every method that compares pairs. */
export const useWeighting = switchOption("useWeighting", {
  default: false,
  about: "WPO's weights of pairs",
  elsewhere: { renamed: ["use_weighting"] },
})

/** Of every method that compares pairs, with `useWeighting`. */
export const weightingForm = choiceOption("weightingForm", {
  values: ["trl", "authors"],
  default: "trl",
  about: "WPO's weights as TRL takes them, or as the authors' code does, at most 1",
})

/** Beside any comparison of pairs; no method lists them. */
export const besidePairs = [sftWeight, useWeighting, weightingForm] as const

/** Another option's value that an option beside pairs needs, in code and in words. */
export const besidePairsConditions = {
  weightingForm: [
    {
      holds: ({ useWeighting }: { readonly useWeighting?: boolean }) => useWeighting === true,
      needs: "useWeighting true",
    },
  ],
}
