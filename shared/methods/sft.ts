// Supervised fine-tuning as a weight rule: the mean negative log-likelihood over all response tokens of a step. Alone it is the method
// `sft`; on the chosen responses it is the SFT term of the pairwise methods (RPO, CPO, ORPO).
import { defineSupervisedMethod } from "./define-method.ts"
import type { ResponseLogProb } from "./pair-log-probs.ts"

export const sft = defineSupervisedMethod({
  name: "sft",
  title: "SFT",
  rows: "responses",
  learningRate: { lora: 2e-4, full: 2e-5 },
  docs: {
    formula: "L = mean NLL over all response tokens of the step",
    logProbs: "sums",
    reward: "none",
    reducesTo: "",
    source: "TRL",
  },
  elsewhere: { rows: [["`SFTTrainer`", "`sft`", "responses alone are scored"]] },
})

/**
 * L = −Σ wᵢ sᵢ / Σ wᵢ |yᵢ|, a mean over tokens and not over rows; the token weight of row i is −wᵢ / Σ wⱼ |yⱼ|. No reference, no reward.
 * Source: "sft" of trl/trainer/dpo_trainer.py, which takes the mean over a micro-batch's tokens where this takes the step's.
 */
export function sftLoss(
  responses: readonly ResponseLogProb[],
  weights?: ArrayLike<number>,
): { readonly loss: number; readonly tokenWeights: Float64Array } {
  const weightOf = (index: number) => weights?.[index] ?? 1
  const tokens = responses.reduce((sum, { count }, index) => sum + weightOf(index) * count, 0)
  if (!(tokens > 0)) throw new RangeError("a step needs at least one row of positive weight")
  return {
    loss: -responses.reduce((sum, response, index) => sum + weightOf(index) * response.sum, 0) / tokens,
    tokenWeights: Float64Array.from(responses, (_, index) => -weightOf(index) / tokens),
  }
}
