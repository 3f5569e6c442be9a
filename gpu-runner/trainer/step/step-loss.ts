// From a step's scores to its loss and the derivatives by every token's log-prob, for every method; the state that methods carry on.

import { responseLogProb } from "#gpu-runner/data/rows/reference-file.ts"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import type { GapStatistics } from "#shared/methods/gap-statistics.ts"
import { isPreferenceMethod } from "#shared/methods/methods.ts"
import {
  bySum,
  type PairLogProbs,
  type PairLoss,
  type ResponseGradient,
  type ScoredResponse,
} from "#shared/methods/pair-log-probs.ts"
import { sftLoss } from "#shared/methods/sft.ts"
import { type StepLoss, stepLoss } from "#shared/methods/step-loss.ts"
import type { DistributionScores, RowScores } from "./score-rows.ts"

export interface BatchLoss extends Omit<StepLoss, "pairs" | "reduction"> {
  readonly pairs: readonly PairLogProbs[]
  /** Empty where nothing is compared. */
  readonly losses: readonly PairLoss[]
}

/** The scores of a row under the policy, beside its reference. */
export function pairOf(row: TokenRow, { chosen, rejected, distributions }: RowScores): PairLogProbs {
  return {
    policyChosen: scoredResponse(chosen, distributions?.chosen),
    policyRejected: scoredResponse(rejected, distributions?.rejected),
    referenceChosen: row.reference?.chosen,
    referenceRejected: row.reference?.rejected,
    ...(row.label === undefined ? {} : { label: row.label }),
  }
}

function scoredResponse(logProbs: Float32Array, { collisions, divergences }: DistributionScores = {}): ScoredResponse {
  const collision = collisions && responseLogProb(collisions)
  return {
    ...responseLogProb(logProbs),
    logProbs,
    ...(collision ? { meanCollision: collision.sum / collision.count } : {}),
    ...(divergences ? { divergence: responseLogProb(divergences).sum } : {}),
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
  return lossOfPairs(
    pairs,
    rows.map(({ weight }) => weight),
    statistics,
    config,
  )
}

/** As batchLoss, of pairs that were made of rows and their scores. */
export function lossOfPairs(
  pairs: readonly PairLogProbs[],
  weights: readonly number[],
  statistics: GapStatistics,
  config: TrainConfig,
): BatchLoss {
  if (isPreferenceMethod(config.method)) {
    const {
      pairs: losses,
      reduction: _,
      ...step
    } = stepLoss(pairs, statistics, { ...config, method: config.method }, weights)
    return { ...step, pairs, losses }
  }
  const { loss, tokenWeights } = sftLoss(
    pairs.map(({ policyChosen }) => policyChosen),
    weights,
  )
  return {
    loss,
    comparableLoss: undefined,
    chosen: Array.from(tokenWeights, (weight): ResponseGradient => bySum(weight)),
    rejected: pairs.map(() => bySum(0)),
    pairs,
    losses: [],
    statistics,
    normaliser: undefined,
    excludedGaps: 0,
    kl: undefined,
    negativeLogLikelihood: undefined,
    pairWeights: undefined,
  }
}
