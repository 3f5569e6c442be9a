// LD-DPO (Liu et al., arXiv 2409.06411): DPO that counts the tokens beyond the shorter response's length only in part.
import { defineMethod } from "./define-method.ts"
import { logisticLoss } from "./logistic-loss.ts"
import { numberOption } from "./option.ts"
import { betaOf, labelSmoothing } from "./options.ts"
import type { PairDirection, ResponseLengths } from "./pair-direction.ts"
import { type ResponseGradient, referenceOf, type ScoredResponse, ScoresMissing } from "./pair-log-probs.ts"

const ldAlpha = numberOption("ldAlpha", {
  from: 0,
  to: 1,
  default: 0.5,
  about: "α, the weight of the tokens beyond the shorter response; 1 is dpo",
  elsewhere: { renamed: ["ld_alpha"] },
})

/**
 * With m = min(|y_w|, |y_l|): s'(y) = Σ_{t<m} + α Σ_{t≥m} of the token log-probs, u = β[(s'_w − s'_w^ref) − (s'_l − s'_l^ref)],
 * L = −log σ(u) with label smoothing. Policy and reference are weighed alike, as in `ld_alpha` of trl/trainer/dpo_trainer.py
 * (LLaMA-Factory weighs the policy alone). α = 1, or responses of one length, is DPO.
 * Errors: ReferenceMissing, ScoresMissing where a longer response has sums but no log-probs of its tokens.
 */
export const ldDpo = defineMethod({
  name: "ld-dpo",
  title: "LD-DPO",
  rows: "pairs",
  reduction: "sum",
  beta: betaOf.sum,
  options: [labelSmoothing, ldAlpha],
  reference: "tokens",
  loss: (pair, { beta, labelSmoothing, ldAlpha }) => {
    const reference = referenceOf("ld-dpo", pair)
    const lengths = { chosen: pair.policyChosen.count, rejected: pair.policyRejected.count }
    const shared = Math.min(lengths.chosen, lengths.rejected)
    const weighed = (response: ScoredResponse) => weighedSum(response, shared, ldAlpha)
    const rewardChosen = beta * (weighed(pair.policyChosen) - weighed(reference.chosen))
    const rewardRejected = beta * (weighed(pair.policyRejected) - weighed(reference.rejected))
    const { loss, dLogit } = logisticLoss(rewardChosen - rewardRejected, labelSmoothing)
    return { loss, ...tailed(lengths, beta * dLogit, ldAlpha), rewardChosen, rewardRejected, margin: 0 }
  },
  direction: (lengths, { ldAlpha }) => tailed(lengths, 1, ldAlpha),
  docs: {
    formula: "`dpo` with tokens beyond the shorter response's length counted α = `ldAlpha` times",
    reward: "βr, weighed",
    reducesTo: "`dpo` at α = 1",
    source: "2409.06411; TRL (policy and reference weighed)",
  },
  elsewhere: { rows: [["`ld_alpha`", "`ld-dpo` with `ldAlpha`", ""]] },
})

/** `perToken` by the chosen response's tokens, its opposite by the rejected one's, and α times that beyond the shared length. */
function tailed({ chosen, rejected }: ResponseLengths, perToken: number, ldAlpha: number): PairDirection {
  const shared = Math.min(chosen, rejected)
  const side = (value: number, length: number): ResponseGradient =>
    length > shared ? { perToken: value, tailStart: shared, tailPerToken: ldAlpha * value } : { perToken: value }
  return { chosen: side(perToken, chosen), rejected: side(-perToken, rejected) }
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
