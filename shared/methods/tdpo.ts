// TDPO (Zeng et al., arXiv 2404.11999): DPO with a difference of sequential KL divergences beside the log-ratio.
import { logisticLoss } from "./logistic-loss.ts"
import { logRatiosOf, type PairLogProbs, type PairLoss, type ScoredResponse, ScoresMissing } from "./pair-log-probs.ts"

export interface TdpoOptions {
  /** β of summed log-probs: .01 to .1 as a rule, .1 by default. */
  readonly beta: number
  readonly labelSmoothing: number
  /** 2 by default. */
  readonly tdpoVariant: 1 | 2
  /** α of variant 2: .5 by default. */
  readonly tdpoAlpha: number
}

/**
 * D(y) = Σ_t KL(πref ‖ πθ) at every position of y, over the whole vocabulary. Variant 1: u = β[Δ − (D_l − D_w)]; variant 2:
 * u = β[Δ − α(D_l − stopGradient(D_w))]; Δ the difference of log-ratios by sums, L = −log σ(u); reward β(sθ − sref + D).
 * Source: the paper; `tdpo_loss` of Vance0124/Token-level-Direct-Preference-Optimization (trainers.py), which has
 * no label smoothing and defaults to variant 2 in code, to variant 1 in its configuration.
 * Reduces: with divergences of zero, or variant 2 with α = 0, the loss is DPO's. Errors: ReferenceMissing, ScoresMissing.
 */
export function tdpoLoss(pair: PairLogProbs, options: TdpoOptions): PairLoss {
  const { beta, labelSmoothing, tdpoVariant, tdpoAlpha } = options
  const ratios = logRatiosOf("tdpo", pair)
  const divergences = { chosen: divergenceOf(pair.policyChosen), rejected: divergenceOf(pair.policyRejected) }
  const weight = tdpoVariant === 1 ? 1 : tdpoAlpha
  const difference = weight * (divergences.rejected - divergences.chosen)
  const { loss, dLogit } = logisticLoss(
    beta * ratios.chosen - beta * ratios.rejected - beta * difference,
    labelSmoothing,
  )
  const dChosen = beta * dLogit
  return {
    loss,
    chosen: { perToken: dChosen, perDivergence: tdpoVariant === 1 ? dChosen : 0 },
    rejected: { perToken: -dChosen, perDivergence: -weight * dChosen },
    rewardChosen: beta * (ratios.chosen + divergences.chosen),
    rewardRejected: beta * (ratios.rejected + divergences.rejected),
    margin: difference,
  }
}

function divergenceOf({ divergence }: ScoredResponse): number {
  if (divergence !== undefined) return divergence
  throw new ScoresMissing(
    "tdpo",
    "the divergence of every response from the reference",
    "train where the reference model is at hand; log-probs alone do not hold it",
  )
}
