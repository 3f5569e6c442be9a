// Held-out evaluation: accuracy by the method-independent rule of shared/methods/accuracy.ts, and the method's own loss and rewards.
// It never touches the gap statistics, and its numbers do not depend on how the pairs are batched: all are means over pairs.

import { responseLogProb } from "#gpu-runner/data/rows/reference-file.ts"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import { klEstimate, type PairAccuracy, pairAccuracy, type ScoredPair } from "#shared/methods/accuracy.ts"
import { type GapStatistics, initialGapStatistics, ROUNDING_STD } from "#shared/methods/gap-statistics.ts"
import { definitionOf } from "#shared/methods/methods.ts"
import { pairedAgain } from "../rows/kto-rows.ts"
import type { RowScores } from "../step/score-rows.ts"
import { batchLoss } from "../step/step-loss.ts"
import { comparableMetrics, policyMetrics, type StepMetrics } from "../step/step-metrics.ts"

export interface Evaluation extends PairAccuracy {
  /** Estimate of KL(reference ‖ policy), nats per token; absent where no reference is known. */
  readonly klPerToken?: number
}

export interface HeldOutEvaluation extends Evaluation {
  /** The method's loss, weighted mean over the pairs. */
  readonly loss: number
  /** The loss that evaluations can be compared by: at the fixed margin where the method's own adapts, else the same. */
  readonly comparableLoss: number
  /** As logged: eval_loss, eval_accuracy, and the step's policy metrics with `eval_` before their names. */
  readonly metrics: StepMetrics
}

/** Sums of a row's scores. */
export function scoredPair({ chosen, rejected }: RowScores): ScoredPair {
  return { chosen: responseLogProb(chosen), rejected: responseLogProb(rejected) }
}

/** Accuracy of a policy on pairs, and its distance from `reference` (the same pairs in the same order). */
export function evaluatePairs(policy: readonly ScoredPair[], reference?: readonly ScoredPair[]): Evaluation {
  const accuracy = pairAccuracy(policy)
  if (!reference) return accuracy
  const responses = (pairs: readonly ScoredPair[]) => pairs.flatMap(({ chosen, rejected }) => [chosen, rejected])
  return { ...accuracy, klPerToken: klEstimate(responses(policy), responses(reference)).perToken }
}

/** The rows' references as scored pairs, if every row has one. */
function givenReference(rows: readonly TokenRow[]): readonly ScoredPair[] | undefined {
  const pairs = rows.flatMap(({ reference }) => (reference ? [reference] : []))
  return pairs.length === rows.length && rows.length > 0 ? pairs : undefined
}

/** Pairs out of labelled rows, each of which has its own response where a pair has its chosen one. */
function ktoPairs(ofRows: readonly ScoredPair[]): readonly ScoredPair[] {
  return pairedAgain(ofRows.map(({ chosen }) => chosen))
}

/** Everything that is logged about held-out pairs under a policy's scores. */
export function evaluateHeldOut(
  rows: readonly TokenRow[],
  scores: readonly RowScores[],
  statistics: GapStatistics,
  config: TrainConfig,
): HeldOutEvaluation {
  const evaluation =
    definitionOf(config.method).rows === "unpaired"
      ? evaluatePairs(ktoPairs(scores.map(scoredPair)), ktoPairs(givenReference(rows) ?? []))
      : evaluatePairs(scores.map(scoredPair), givenReference(rows))
  const loss = batchLoss(rows, scores, frozenStatistics(statistics, config), frozenRules(config))
  const named = Object.entries({ ...comparableMetrics(loss), ...policyMetrics(loss) }).map(
    ([name, value]) => [`eval_${name}`, value] as const,
  )
  const metrics = {
    eval_loss: Number.isFinite(loss.loss) ? loss.loss : null,
    eval_accuracy: evaluation.accuracy,
    ...Object.fromEntries(named),
  }
  return { ...evaluation, loss: loss.loss, comparableLoss: loss.comparableLoss ?? loss.loss, metrics }
}

/**
 * The gap is normalised as a training step over all these pairs would do it; what such a step would make of the statistics is thrown
 * away. `official`, whose groups depend on the order of the pairs, takes its statistics as they are instead, and z = 0 while these are of
 * rounding alone. The authors' trainer updates them by its evaluation batches too, so that how often one looks changes what is trained.
 */
function frozenRules(config: TrainConfig): TrainConfig {
  if (config.statistics !== "official") return config
  return { ...config, statistics: "lagged", gapStdFloor: Number.MIN_VALUE }
}

/** official's averages are used uncorrected: after infinitely many updates the correction for their start is 1. */
function frozenStatistics(statistics: GapStatistics, config: TrainConfig): GapStatistics {
  if (config.statistics !== "official" || statistics.meanUpdates === 0) return statistics
  if (statistics.std < ROUNDING_STD) return initialGapStatistics
  return { ...statistics, meanUpdates: Number.POSITIVE_INFINITY, stdUpdates: Number.POSITIVE_INFINITY }
}
