// α-DPO (Wu et al., arXiv 2410.10148) as the authors' code computes it: SimPO with a margin that adapts to every pair.
// Where paper and code differ the code is followed: the adaptive term stands inside β, so in reward space it is αβ·z.
import { meanLogProb, type PairLogProbs, type PairLoss, referenceOf } from "./pair-log-probs.ts"
import { fixedMarginLoss, type MarginOptions, simpoLoss } from "./simpo.ts"

export interface AlphaDpoOptions extends MarginOptions {
  /** α: 0 is SimPO, bit for bit, and never reads the reference. α = 1 is not DPO. */
  readonly alpha: number
}

/**
 * margin = stopGradient(γ/β + α·z), u = β(Δθ − margin) with mean log-probs (β 2 to 10, 2.5 by default); reward β[(1−α)ℓθ + αℓref].
 * `normalisedGap` is z of the gap statistics. Reduces: α = 0 is SimPO. Errors: ReferenceMissing.
 */
export function alphaDpoLoss(pair: PairLogProbs, options: AlphaDpoOptions, normalisedGap: number): PairLoss {
  const { alpha, beta, gammaBetaRatio } = options
  if (alpha === 0) return simpoLoss(pair, options)
  const reference = referenceOf("alpha-dpo", pair)
  return {
    ...fixedMarginLoss(pair, options, gammaBetaRatio + alpha * normalisedGap),
    rewardChosen: beta * ((1 - alpha) * meanLogProb(pair.policyChosen) + alpha * meanLogProb(reference.chosen)),
    rewardRejected: beta * ((1 - alpha) * meanLogProb(pair.policyRejected) + alpha * meanLogProb(reference.rejected)),
  }
}
