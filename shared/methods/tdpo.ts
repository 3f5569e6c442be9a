// TDPO (Zeng et al., arXiv 2404.11999): DPO with a difference of sequential KL divergences beside the log-ratio.
import { defineMethod } from "./define-method.ts"
import { logisticLoss } from "./logistic-loss.ts"
import { choiceOption, numberOption } from "./option.ts"
import { betaOf, labelSmoothing } from "./options.ts"
import type { PairDirection } from "./pair-direction.ts"
import { logRatiosOf, type ScoredResponse, ScoresMissing } from "./pair-log-probs.ts"

const tdpoVariant = choiceOption("tdpoVariant", { values: [1, 2], default: 2, about: "TDPO1 or TDPO2" })

const tdpoAlpha = numberOption("tdpoAlpha", { from: 0, to: 100, default: 0.5, about: "α of TDPO2; 0 is dpo" })

/**
 * D(y) = Σ_t KL(πref ‖ πθ) at every position of y, over the whole vocabulary. Variant 1: u = β[Δ − (D_l − D_w)]; variant 2:
 * u = β[Δ − α(D_l − stopGradient(D_w))]; Δ the difference of log-ratios by sums, L = −log σ(u).
 * Source: `tdpo_loss` of Vance0124/Token-level-Direct-Preference-Optimization (trainers.py), which has no label smoothing and defaults to
 * variant 2 in code, to variant 1 in its configuration. Errors: ReferenceMissing, ScoresMissing.
 */
export const tdpo = defineMethod({
  name: "tdpo",
  title: "TDPO",
  rows: "pairs",
  reduction: "sum",
  beta: betaOf.sum,
  options: [labelSmoothing, tdpoVariant, tdpoAlpha],
  conditions: { tdpoAlpha: [{ holds: ({ tdpoVariant }) => tdpoVariant !== 1, needs: "tdpoVariant 2" }] },
  reference: "model",
  loss: (pair, options) => {
    const { beta, labelSmoothing, tdpoVariant, tdpoAlpha } = options
    const ratios = logRatiosOf("tdpo", pair)
    const divergences = { chosen: divergenceOf(pair.policyChosen), rejected: divergenceOf(pair.policyRejected) }
    const difference = (tdpoVariant === 1 ? 1 : tdpoAlpha) * (divergences.rejected - divergences.chosen)
    const { loss, dLogit } = logisticLoss(
      beta * ratios.chosen - beta * ratios.rejected - beta * difference,
      labelSmoothing,
    )
    return {
      loss,
      ...byDivergence(options, beta * dLogit),
      rewardChosen: beta * (ratios.chosen + divergences.chosen),
      rewardRejected: beta * (ratios.rejected + divergences.rejected),
      margin: difference,
    }
  },
  direction: (_, options) => byDivergence(options, 1),
  docs: {
    formula: "1: β[r_w − r_l − (D_l − D_w)]; 2: β[r_w − r_l − α(D_l − sg D_w)]; D = Σ KL(πref ‖ πθ)",
    reward: "β(r + D)",
    reducesTo: "`dpo` at D = 0, or at α = 0 (2)",
    source: "2404.11999, the authors' code",
  },
})

/** Variant 2 stops the gradient of the chosen divergence. */
function byDivergence(
  { tdpoVariant, tdpoAlpha }: { readonly tdpoVariant: 1 | 2; readonly tdpoAlpha: number },
  perToken: number,
): PairDirection {
  const weight = tdpoVariant === 1 ? 1 : tdpoAlpha
  return {
    chosen: { perToken, perDivergence: tdpoVariant === 1 ? perToken : 0 },
    rejected: { perToken: -perToken, perDivergence: -weight * perToken },
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
