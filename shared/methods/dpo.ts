// DPO (Rafailov et al., arXiv 2305.18290): summed log-probs against a reference; logistic (with label smoothing, cDPO), robust or hinge.
import { hingeLoss, type LogitLoss, logisticLoss, robustLoss } from "./logistic-loss.ts"
import { bySum, logRatiosOf, type PairLogProbs, type PairLoss } from "./pair-log-probs.ts"

export type DpoLoss = "sigmoid" | "robust" | "hinge"

export interface DpoOptions {
  /** β of summed log-probs: .01 to .1 as a rule, .1 by default. */
  readonly beta: number
  readonly labelSmoothing: number
  readonly dpoLoss: DpoLoss
}

/**
 * u = β[(s_w − s_w^ref) − (s_l − s_l^ref)] by sums; L = −log σ(u), or with ε cDPO, robust DPO, or the hinge max(0, 1 − u).
 * Reward β(sθ − sref). Source: equation 7 of the paper; loss variants as in trl/trainer/dpo_trainer.py.
 * Reduces: ε = 0 makes cDPO and robust DPO the plain loss; policy = reference gives ln 2 (hinge: 1). Errors: ReferenceMissing.
 */
export function dpoLoss(pair: PairLogProbs, { beta, labelSmoothing, dpoLoss: kind }: DpoOptions): PairLoss {
  const ratios = logRatiosOf("dpo", pair)
  const rewardChosen = beta * ratios.chosen
  const rewardRejected = beta * ratios.rejected
  const { loss, dLogit } = lossOf(kind, rewardChosen - rewardRejected, labelSmoothing)
  const dChosen = beta * dLogit
  return { loss, chosen: bySum(dChosen), rejected: bySum(-dChosen), rewardChosen, rewardRejected, margin: 0 }
}

function lossOf(kind: DpoLoss, u: number, labelSmoothing: number): LogitLoss {
  if (kind === "hinge") return hingeLoss(u)
  return kind === "robust" ? robustLoss(u, labelSmoothing) : logisticLoss(u, labelSmoothing)
}
