// SimPO (Meng et al., arXiv 2405.14734): one fixed margin, mean log-probs, no reference.
import { logisticLoss } from "./logistic-loss.ts"
import { meanLogProb, type PairLogProbs, type PairLoss } from "./pair-log-probs.ts"

export interface MarginOptions {
  readonly beta: number
  /** γ/β, nats per token; γ = β · γ/β is never configured on its own. */
  readonly gammaBetaRatio: number
  readonly labelSmoothing: number
}

/** u = β(Δθ − γ/β) with mean log-probs, reward β·ℓθ. */
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
  { beta, labelSmoothing }: MarginOptions,
  margin: number,
): Pick<PairLoss, "loss" | "dChosen" | "dRejected" | "margin"> {
  const policyLogRatio = meanLogProb(pair.policyChosen) - meanLogProb(pair.policyRejected)
  const { loss, dLogit } = logisticLoss(beta * (policyLogRatio - margin), labelSmoothing)
  const dChosen = beta * dLogit
  return { loss, dChosen, dRejected: -dChosen, margin }
}
