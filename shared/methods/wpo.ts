// WPO (Zhou et al., arXiv 2406.11827): pairs weighted by how likely the current policy is to say them, so that off-policy data counts less.
import { meanLogProb, type PairLogProbs, type ScoredResponse, ScoresMissing } from "./pair-log-probs.ts"

export type WeightingForm = "trl" | "authors"

/**
 * w(y) = exp(mean_t[log p_t − log Σ_v p_v²]), the pair's weight w(y_w)·w(y_l), a constant to the gradient.
 * Source: equation 2 of the paper with its sampled alignment. Form "trl": `use_weighting` of trl/trainer/dpo_trainer.py. Form "authors":
 * scripts/run_wpo.py of wzhouad/WPO, which takes no product above 1. As in both the weighted losses are divided by the number of pairs, not by the weights' sum; unlike in TRL an SFT term is not weighted, being no preference.
 * A token as likely as the average of its distribution weighs 1. Errors: ScoresMissing without collisions.
 */
export function wpoWeight({ policyChosen, policyRejected }: PairLogProbs, form: WeightingForm): number {
  const weight = Math.exp(alignment(policyChosen) + alignment(policyRejected))
  return form === "authors" ? Math.min(weight, 1) : weight
}

/** Below this share of an unweighted pair a pair teaches nothing beside the optimiser's own epsilon. */
const NEGLIGIBLE_WEIGHT = 1e-6

/** Whether all weights of a step round to 0. */
export function areNegligible(weights: readonly number[]): boolean {
  return weights.every((weight) => weight < NEGLIGIBLE_WEIGHT)
}

/** Mean over tokens of the log-prob relative to what the policy would sample on average, nats. */
function alignment(response: ScoredResponse): number {
  if (response.meanCollision !== undefined) return meanLogProb(response) - response.meanCollision
  throw new ScoresMissing(
    "useWeighting",
    "log Σ p² of every position under the policy",
    "it is computed with the log-probs during training; log-probs from a file do not hold it",
  )
}
