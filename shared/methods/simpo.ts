// SimPO (Meng et al., arXiv 2405.14734): one fixed margin, mean log-probs, no reference.
import { logisticLoss } from "./logistic-loss.ts"
import { byMean, meanLogProb, type PairLogProbs, type PairLoss } from "./pair-log-probs.ts"

export interface MarginOptions {
  /** β of mean log-probs: 2 to 10 as a rule, 2.5 by default. */
  readonly beta: number
  /** γ/β, nats per token; γ = β · γ/β is never configured on its own. */
  readonly gammaBetaRatio: number
  readonly labelSmoothing: number
}

/**
 * u = β(Δθ − γ/β) with mean log-probs, L = −log σ(u) with label smoothing, reward β·ℓθ; no reference.
 * Source: equation 6 of the paper; scripts/simpo_trainer.py of princeton-nlp/SimPO, whose parameter γ/β is. TRL's `simpo_gamma` is γ itself.
 * Reduces: α-DPO with α = 0, and AlphaPO with a = 0, are SimPO.
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
