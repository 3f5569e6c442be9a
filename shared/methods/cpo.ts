// CPO (Xu et al., arXiv 2401.08417): DPO without a reference, held in place by an SFT term on the chosen response.
import { logisticLoss } from "./logistic-loss.ts"
import { bySum, type PairLogProbs, type PairLoss } from "./pair-log-probs.ts"

export interface CpoOptions {
  /** β of summed log-probs: .01 to .1 as a rule, .1 by default. */
  readonly beta: number
  readonly labelSmoothing: number
}

/**
 * u = β(s_w − s_l) by sums, L = −log σ(u) with label smoothing, reward β·sθ; no reference. The SFT term, of weight 1 by default, is the
 * step's (`sftWeight`). Source: equation 3 of the paper; trl/experimental/cpo (`cpo_alpha` is the SFT term's weight there).
 * Reduces: it is DPO against a uniform reference, plus the SFT term.
 */
export function cpoLoss(pair: PairLogProbs, { beta, labelSmoothing }: CpoOptions): PairLoss {
  const rewardChosen = beta * pair.policyChosen.sum
  const rewardRejected = beta * pair.policyRejected.sum
  const { loss, dLogit } = logisticLoss(rewardChosen - rewardRejected, labelSmoothing)
  const dChosen = beta * dLogit
  return { loss, chosen: bySum(dChosen), rejected: bySum(-dChosen), rewardChosen, rewardRejected, margin: 0 }
}
