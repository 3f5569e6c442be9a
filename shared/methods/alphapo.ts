// AlphaPO (Gupta et al., arXiv 2501.03884): SimPO with a reward whose shape bends away from the logarithm. Not α-DPO.
import { logisticLoss } from "./logistic-loss.ts"
import { byMean, meanLogProb, type PairLogProbs, type PairLoss, type ResponseLogProb } from "./pair-log-probs.ts"
import { type MarginOptions, simpoLoss } from "./simpo.ts"

export interface AlphaPoOptions extends MarginOptions {
  /** a: .25 by default; negative values bend the other way. */
  readonly alphaPoAlpha: number
}

/**
 * r(y) = (1 − p^−a)/a with p = exp(ℓ) of the mean log-prob, u = β(r_w − r_l − γ/β), L = −log σ(u) with label smoothing; reward β·r;
 * no reference. Source: the paper's reward; trl/experimental/cpo (`alpha`). β is SimPO's (2 to 10, 2.5 by default); γ/β is .04 by
 * default, which is γ = .1 of the paper's Mistral recipe as TRL reads it.
 * Numerics: r = −expm1(−aℓ)/a, exact for small a; an |a| below f64's epsilon, which bends nothing, counts as 0.
 * Reduces: a = 0 is SimPO, and a → 0 tends to it.
 */
export function alphaPoLoss(pair: PairLogProbs, options: AlphaPoOptions): PairLoss {
  const { alphaPoAlpha: a, beta, gammaBetaRatio: margin, labelSmoothing } = options
  if (Math.abs(a) < Number.EPSILON) return simpoLoss(pair, options)
  const reward = (response: ResponseLogProb) => -Math.expm1(-a * meanLogProb(response)) / a
  const slope = (response: ResponseLogProb) => Math.exp(-a * meanLogProb(response))
  const chosen = reward(pair.policyChosen)
  const rejected = reward(pair.policyRejected)
  const { loss, dLogit } = logisticLoss(beta * (chosen - rejected - margin), labelSmoothing)
  return {
    loss,
    chosen: byMean(beta * dLogit * slope(pair.policyChosen), pair.policyChosen),
    rejected: byMean(-beta * dLogit * slope(pair.policyRejected), pair.policyRejected),
    rewardChosen: beta * chosen,
    rewardRejected: beta * rejected,
    margin,
  }
}
