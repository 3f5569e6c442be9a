// SimPO (Meng et al., arXiv 2405.14734): one fixed margin, mean log-probs, no reference.
import { defineMethod } from "./define-method.ts"
import { logisticLoss } from "./logistic-loss.ts"
import { betaOf, gammaBetaRatio, labelSmoothing } from "./options.ts"
import { oppositeDirection } from "./pair-direction.ts"
import { byMean, meanLogProb, type PairLogProbs, type PairLoss } from "./pair-log-probs.ts"

interface MarginOptions {
  readonly beta: number
  /** γ/β, nats per token; γ = β · γ/β is never configured on its own. */
  readonly gammaBetaRatio: number
  readonly labelSmoothing: number
}

export const simpo = defineMethod({
  name: "simpo",
  title: "SimPO",
  rows: "pairs",
  reduction: "mean",
  beta: betaOf.mean,
  options: [gammaBetaRatio, labelSmoothing],
  reference: "none",
  loss: simpoLoss,
  direction: (lengths) => oppositeDirection(lengths, "mean"),
  docs: {
    formula: "β(Δθ − γ/β)",
    reward: "βℓθ",
    reducesTo: "",
    source: "2405.14734 eq. 6, princeton-nlp/SimPO",
  },
  elsewhere: {
    rows: [
      [
        "CPO `loss_type: simpo`, `simpo_gamma`, `cpo_alpha: 0`; SimPO's `gamma_beta_ratio`",
        "`simpo`, `gammaBetaRatio` = simpo_gamma / beta",
        "beta 0.1, simpo_gamma 0.5 (a ratio of 5), SFT term of weight 1 → 2.5, 0.6, no SFT term",
      ],
    ],
  },
})

/**
 * u = β(Δθ − γ/β) with mean log-probs, L = −log σ(u) with label smoothing. The parameter is γ/β as in scripts/simpo_trainer.py of
 * princeton-nlp/SimPO; TRL's `simpo_gamma` is γ itself. α-DPO with α = 0, and AlphaPO with a = 0, are this loss.
 */
export function simpoLoss(pair: PairLogProbs, options: MarginOptions): PairLoss {
  return {
    ...fixedMarginLoss(pair, options, options.gammaBetaRatio),
    rewardChosen: options.beta * meanLogProb(pair.policyChosen),
    rewardRejected: options.beta * meanLogProb(pair.policyRejected),
  }
}

/** u = β(Δθ − margin) with mean log-probs; the margin is a constant to the gradient. */
export function fixedMarginLoss(
  pair: PairLogProbs,
  { beta, labelSmoothing }: Omit<MarginOptions, "gammaBetaRatio">,
  margin: number,
): Pick<PairLoss, "loss" | "chosen" | "rejected" | "margin"> {
  const policyLogRatio = meanLogProb(pair.policyChosen) - meanLogProb(pair.policyRejected)
  const { loss, dLogit } = logisticLoss(beta * (policyLogRatio - margin), labelSmoothing)
  const dChosen = beta * dLogit
  return { loss, chosen: byMean(dChosen, pair.policyChosen), rejected: byMean(-dChosen, pair.policyRejected), margin }
}
