// R-DPO (Park et al., arXiv 2403.19159): DPO whose reward pays for every token of a response, against drift to long answers.
import { logisticLoss } from "./logistic-loss.ts"
import { bySum, logRatiosOf, type PairLogProbs, type PairLoss } from "./pair-log-probs.ts"

export interface RDpoOptions {
  /** β of summed log-probs: .01 to .1 as a rule, .1 by default. */
  readonly beta: number
  readonly labelSmoothing: number
  /** α: what a token costs, in units of reward; .05 by default. */
  readonly lengthPenalty: number
}

/**
 * u = β[(s_w − s_w^ref) − (s_l − s_l^ref)] + α(|y_w| − |y_l|) by sums, L = −log σ(u) with label smoothing; reward β(sθ − sref) + α|y|.
 * Source: the objective E[r(y) − α|y|] − β KL has π ∝ πref exp((r − α|y|)/β), so r = β log(π/πref) + α|y|: the paper's derivation, whose
 * sign and scale are followed. junkangwu/alpha-DPO subtracts β·γ/β·(|y_w| − |y_l|) instead, with the batch's size in place of lengths.
 * Reduces: α = 0, or responses of one length, is DPO. Errors: ReferenceMissing.
 */
export function rDpoLoss(pair: PairLogProbs, options: RDpoOptions): PairLoss {
  const { beta, labelSmoothing, lengthPenalty } = options
  const ratios = logRatiosOf("r-dpo", pair)
  const plainChosen = beta * ratios.chosen
  const plainRejected = beta * ratios.rejected
  const lengths = lengthPenalty * (pair.policyChosen.count - pair.policyRejected.count)
  const { loss, dLogit } = logisticLoss(plainChosen - plainRejected + lengths, labelSmoothing)
  const dChosen = beta * dLogit
  return {
    loss,
    chosen: bySum(dChosen),
    rejected: bySum(-dChosen),
    rewardChosen: plainChosen + lengthPenalty * pair.policyChosen.count,
    rewardRejected: plainRejected + lengthPenalty * pair.policyRejected.count,
    margin: 0 - lengths / beta,
  }
}
