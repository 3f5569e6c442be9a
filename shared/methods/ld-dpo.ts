// LD-DPO (Liu et al., arXiv 2409.06411): DPO that counts the tokens beyond the shorter response's length only in part.
import { logisticLoss } from "./logistic-loss.ts"
import {
  type PairLogProbs,
  type PairLoss,
  type ResponseGradient,
  referenceOf,
  type ScoredResponse,
  ScoresMissing,
} from "./pair-log-probs.ts"

export interface LdDpoOptions {
  /** β of summed log-probs: .01 to .1 as a rule, .1 by default. */
  readonly beta: number
  readonly labelSmoothing: number
  /** α: the weight of the tail, 0 to 1; .5 by default. */
  readonly ldAlpha: number
}

/**
 * With m = min(|y_w|, |y_l|): s'(y) = Σ_{t<m} + α Σ_{t≥m} of the token log-probs, u = β[(s'_w − s'_w^ref) − (s'_l − s'_l^ref)],
 * L = −log σ(u) with label smoothing; reward β(s'θ − s'ref).
 * Source: the paper; `ld_alpha` of trl/trainer/dpo_trainer.py, which weighs policy and reference alike, as here
 * (LLaMA-Factory weighs the policy alone). Reduces: α = 1, or responses of one length, is DPO.
 * Errors: ReferenceMissing, ScoresMissing where a longer response has sums but no log-probs of its tokens.
 */
export function ldDpoLoss(pair: PairLogProbs, { beta, labelSmoothing, ldAlpha }: LdDpoOptions): PairLoss {
  const reference = referenceOf("ld-dpo", pair)
  const shared = Math.min(pair.policyChosen.count, pair.policyRejected.count)
  const weighed = (response: ScoredResponse) => weighedSum(response, shared, ldAlpha)
  const rewardChosen = beta * (weighed(pair.policyChosen) - weighed(reference.chosen))
  const rewardRejected = beta * (weighed(pair.policyRejected) - weighed(reference.rejected))
  const { loss, dLogit } = logisticLoss(rewardChosen - rewardRejected, labelSmoothing)
  const dChosen = beta * dLogit
  const gradient = (perToken: number, { count }: ScoredResponse): ResponseGradient =>
    count > shared ? { perToken, tailStart: shared, tailPerToken: ldAlpha * perToken } : { perToken }
  return {
    loss,
    chosen: gradient(dChosen, pair.policyChosen),
    rejected: gradient(-dChosen, pair.policyRejected),
    rewardChosen,
    rewardRejected,
    margin: 0,
  }
}

/** The sum less what the tail's weight takes away; a response without a tail keeps its sum as it is. */
function weighedSum({ sum, count, logProbs }: ScoredResponse, shared: number, ldAlpha: number): number {
  if (count <= shared || ldAlpha === 1) return sum
  if (logProbs === undefined) {
    throw new ScoresMissing(
      "ld-dpo",
      "the log-prob of every token of policy and reference",
      "a reference of sums alone does not do: score the data again with `yohaku score`, or leave the reference out",
    )
  }
  let tail = 0
  for (let index = shared; index < count; index++) tail += logProbs[index]!
  return sum - (1 - ldAlpha) * tail
}
