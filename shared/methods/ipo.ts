// IPO (Azar et al., arXiv 2310.12036): the log-ratio is drawn to 1/(2τ) by a squared loss, which does not saturate.
import {
  byMean,
  bySum,
  type PairLogProbs,
  type PairLoss,
  type Reduction,
  type ResponseLogProb,
  referenceOf,
} from "./pair-log-probs.ts"

export interface IpoOptions {
  /** τ: .01 to 1, .1 by default. */
  readonly beta: number
  /** mean by default. */
  readonly ipoReduction: Reduction
}

/**
 * h = (x_w − x_w^ref) − (x_l − x_l^ref), L = (h − 1/(2τ))²; reward τ(xθ − xref); needs the reference.
 * Source: equation 17 of the paper. x are means as in TRL, whose maintainers confirmed it with the authors, or sums as in OpenRLHF and
 * eric-mitchell/direct-preference-optimization. With one-token responses the two are equal. Errors: ReferenceMissing.
 */
export function ipoLoss(pair: PairLogProbs, { beta: tau, ipoReduction: reduction }: IpoOptions): PairLoss {
  const reference = referenceOf("ipo", pair)
  const divisor = ({ count }: ResponseLogProb) => (reduction === "mean" ? count : 1)
  const chosen = (pair.policyChosen.sum - reference.chosen.sum) / divisor(pair.policyChosen)
  const rejected = (pair.policyRejected.sum - reference.rejected.sum) / divisor(pair.policyRejected)
  const margin = 1 / (2 * tau)
  const distance = chosen - rejected - margin
  const gradient = (derivative: number, response: ResponseLogProb) =>
    reduction === "mean" ? byMean(derivative, response) : bySum(derivative)
  return {
    loss: distance ** 2,
    chosen: gradient(2 * distance, pair.policyChosen),
    rejected: gradient(-2 * distance, pair.policyRejected),
    rewardChosen: tau * chosen,
    rewardRejected: tau * rejected,
    margin,
  }
}
