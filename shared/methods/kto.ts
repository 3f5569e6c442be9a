// KTO (Ethayarajh et al., arXiv 2402.01306): single completions, each labelled desirable or not, against a reference point that all of a
// step's rows share: an estimate of KL(policy ‖ reference) from mismatched completions.
import { defineMethod } from "./define-method.ts"
import { sigmoid } from "./log-sigmoid.ts"
import { numberOption } from "./option.ts"
import { betaOf } from "./options.ts"
import { bySum, logRatiosOf, type PairLogProbs, ScoresMissing } from "./pair-log-probs.ts"

const desirableWeight = numberOption("desirableWeight", {
  from: 0,
  to: 1000,
  default: 1,
  about: "λ_D",
  elsewhere: { renamed: ["desirable_weight"] },
})

const undesirableWeight = numberOption("undesirableWeight", {
  from: 0,
  to: 1000,
  default: 1,
  about: "λ_U",
  elsewhere: { renamed: ["undesirable_weight"] },
})

/**
 * With r = sθ − sref by sums: L = λ_D[1 − σ(β(r − kl))] for a desirable completion, λ_U[1 − σ(β(kl − r))] for an undesirable one.
 * A step's loss is the mean over its rows, so λ are weights of rows, not of their share. TRL (trl/trainer/kto_trainer.py) takes kl over a
 * device's micro-batches, here it is the step's, so that micro-batching does not matter; it is the step constant.
 * Errors: ReferenceMissing, ScoresMissing (a row without a label).
 */
export const kto = defineMethod({
  name: "kto",
  title: "KTO",
  rows: "unpaired",
  reduction: "sum",
  beta: betaOf.sum,
  options: [desirableWeight, undesirableWeight],
  reference: "sums",
  loss: (pair, { beta, desirableWeight, undesirableWeight }, referencePoint) => {
    const label = labelOf(pair)
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
  },
  direction: () => ({ chosen: bySum(1), rejected: bySum(0) }),
  step: (pairs) => {
    const kl = referencePointOf(pairs)
    return { constants: pairs.map(() => kl), kl }
  },
  docs: {
    formula: "L = λ_D σ(−β(r − kl)) if wanted, λ_U σ(β(r − kl)) if not; kl = max(0, mean r of mismatched completions)",
    reward: "βr",
    reducesTo: "λ/2 where policy = reference",
    source: "2402.01306 eq. 7; TRL, with kl over the step",
  },
  elsewhere: {
    rows: [
      [
        "`KTOTrainer`, `desirable_weight`, `undesirable_weight`",
        "`kto`, `desirableWeight`, `undesirableWeight`",
        "1 → 1; `batch` counts rows",
      ],
    ],
    keys: { unpair_preference_dataset: "kto takes pairs as they are; leave it out" },
    losses: { kto_pair: '"kto" takes pairs too' },
  },
})

/** kl = max(0, mean over the step of sθ − sref of the mismatched completions), nats; a constant to the gradient. Errors: ReferenceMissing. */
function referencePointOf(pairs: readonly PairLogProbs[]): number {
  const total = pairs.reduce((sum, pair) => sum + logRatiosOf("kto", pair).rejected, 0)
  return Math.max(0, total / pairs.length)
}

function labelOf({ label }: PairLogProbs): boolean {
  if (label !== undefined) return label
  throw new ScoresMissing(
    "kto",
    "a label for every row",
    "write label: true or false, or give pairs, which count as one row each side",
  )
}
