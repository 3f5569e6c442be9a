// From a step's log-probs to its loss and one scalar per response, for every method; the state that methods carry between steps.

import { responseLogProb } from "#gpu-runner/data/reference-file.ts"
import type { TokenRow } from "#gpu-runner/data/token-rows.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import type { GapNormaliser, GapStatistics } from "#shared/preference/gap-statistics.ts"
import { stepLoss } from "#shared/preference/methods.ts"
import type { PairLogProbs, PairLoss } from "#shared/preference/pair-log-probs.ts"
import { sftLoss } from "#shared/preference/sft.ts"
import type { RowScores } from "./score-rows.ts"

export interface BatchLoss {
  readonly loss: number
  /** dL/d(token log-prob), one scalar per response in the order of the rows. */
  readonly chosenTokenWeights: Float64Array
  readonly rejectedTokenWeights: Float64Array
  readonly pairs: readonly PairLogProbs[]
  /** Empty for sft. */
  readonly losses: readonly PairLoss[]
  readonly statistics: GapStatistics
  readonly normaliser: GapNormaliser | undefined
  readonly excludedGaps: number
}

/** The log-probs of a row under the policy, beside its reference. */
export function pairOf(row: TokenRow, { chosen, rejected }: RowScores): PairLogProbs {
  return {
    policyChosen: responseLogProb(chosen),
    policyRejected: responseLogProb(rejected),
    referenceChosen: row.reference?.chosen,
    referenceRejected: row.reference?.rejected,
  }
}

/** Loss of one optimiser step. Errors: those of stepLoss. */
export function batchLoss(
  rows: readonly TokenRow[],
  scores: readonly RowScores[],
  statistics: GapStatistics,
  config: TrainConfig,
): BatchLoss {
  const pairs = rows.map((row, index) => pairOf(row, scores[index]!))
  const weights = rows.map(({ weight }) => weight)
  if (config.method !== "sft") {
    const { pairs: losses, ...step } = stepLoss(pairs, statistics, { ...config, method: config.method }, weights)
    return { ...step, pairs, losses }
  }
  const { loss, tokenWeights } = sftLoss(
    pairs.map(({ policyChosen }) => policyChosen),
    weights,
  )
  const none = new Float64Array(rows.length)
  const nothing = { losses: [], statistics, normaliser: undefined, excludedGaps: 0 }
  return { loss, chosenTokenWeights: tokenWeights, rejectedTokenWeights: none, pairs, ...nothing }
}
