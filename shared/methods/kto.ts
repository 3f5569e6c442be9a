// KTO (Ethayarajh et al., arXiv 2402.01306): single completions, each labelled desirable or not, against a reference point that all of a
// step's rows share: an estimate of KL(policy ‖ reference) from mismatched completions.
import { sigmoid } from "./log-sigmoid.ts"
import { bySum, logRatiosOf, type PairLogProbs, type PairLoss, ScoresMissing } from "./pair-log-probs.ts"

export interface KtoOptions {
  /** β of summed log-probs: .01 to .1 as a rule, .1 by default. */
  readonly beta: number
  /** λ_D, 1 by default. */
  readonly desirableWeight: number
  /** λ_U, 1 by default. */
  readonly undesirableWeight: number
}

/** kl = max(0, mean over the step of sθ − sref of the mismatched completions), nats; a constant to the gradient. Errors: ReferenceMissing. */
export function ktoReferencePoint(pairs: readonly PairLogProbs[]): number {
  const total = pairs.reduce((sum, pair) => sum + logRatiosOf("kto", pair).rejected, 0)
  return Math.max(0, total / pairs.length)
}

/**
 * With r = sθ − sref by sums: L = λ_D[1 − σ(β(r − kl))] for a desirable completion, λ_U[1 − σ(β(kl − r))] for an undesirable one;
 * reward βr. A step's loss is the mean over its rows, so λ are weights of rows, not of their share.
 * Source: equation 7 of the paper; trl/trainer/kto_trainer.py. TRL takes kl over a device's micro-batches, here it is the
 * step's, so that micro-batching does not matter. `referencePoint` is kl of `ktoReferencePoint`.
 * Reduces: policy = reference gives λ/2. Errors: ReferenceMissing, ScoresMissing (a row without a label).
 */
export function ktoLoss(pair: PairLogProbs, options: KtoOptions, referencePoint: number): PairLoss {
  const { beta, desirableWeight, undesirableWeight } = options
  const { label } = pair
  if (label === undefined) {
    throw new ScoresMissing(
      "kto",
      "a label for every row",
      "write label: true or false, or give pairs, which count as one row each side",
    )
  }
  const ratio = logRatiosOf("kto", pair).chosen
  const u = beta * (ratio - referencePoint)
  const weight = label ? desirableWeight : undesirableWeight
  // 1 − σ(u) is σ(−u): no digits are lost for large u.
  const loss = weight * sigmoid(label ? -u : u)
  const slope = weight * beta * sigmoid(u) * sigmoid(-u)
  const reward = beta * ratio
  return {
    loss,
    chosen: bySum(label ? -slope : slope),
    rejected: bySum(0),
    rewardChosen: label ? reward : undefined,
    rewardRejected: label ? undefined : reward,
    margin: 0,
  }
}
