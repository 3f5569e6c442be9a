// DPO (Rafailov et al., arXiv 2305.18290), with label smoothing (cDPO): summed log-probs against a reference.
import { logisticLoss } from "./logistic-loss.ts"
import { type PairLogProbs, type PairLoss, referenceOf } from "./pair-log-probs.ts"

export interface DpoOptions {
  /** β of summed log-probs: .01 to .1 as a rule. */
  readonly beta: number
  readonly labelSmoothing: number
}

/** u = β[(s_w − s_w^ref) − (s_l − s_l^ref)], reward β(sθ − sref); derivatives by sums. Errors: ReferenceMissing. */
export function dpoLoss(pair: PairLogProbs, { beta, labelSmoothing }: DpoOptions): PairLoss {
  const reference = referenceOf("dpo", pair)
  const rewardChosen = beta * (pair.policyChosen.sum - reference.chosen.sum)
  const rewardRejected = beta * (pair.policyRejected.sum - reference.rejected.sum)
  const { loss, dLogit } = logisticLoss(rewardChosen - rewardRejected, labelSmoothing)
  const dChosen = beta * dLogit
  return { loss, dChosen, dRejected: -dChosen, rewardChosen, rewardRejected, margin: 0 }
}
