// Held-out evaluation: accuracy by the method-independent rule of shared/methods/accuracy.ts, and the method's own loss and rewards.
// It never touches the gap statistics, and its numbers do not depend on how the pairs are batched: all are means over pairs.

import { responseLogProb } from "#gpu-runner/data/rows/reference-file.ts"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import { driftOf } from "#shared/gates/pair-measurements.ts"
import { klEstimate, type PairAccuracy, pairAccuracy, type ScoredPair } from "#shared/methods/accuracy.ts"
import { type GapStatistics, initialGapStatistics, ROUNDING_STD } from "#shared/methods/gap-statistics.ts"
import { definitionOf, needsReferenceTokens } from "#shared/methods/methods.ts"
import type { PairLogProbs, ScoredResponse } from "#shared/methods/pair-log-probs.ts"
import { pairedAgain } from "../rows/kto-rows.ts"
import type { RowScores, ScoredRows } from "../step/score-rows.ts"
import { lossOfPairs, pairOf } from "../step/step-loss.ts"
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
  /** Drift from the reference by the estimator that gates go by (shared/gates), nats per token; absent where a pair has no reference. */
  readonly driftPerToken?: number | undefined
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

/** The references of pairs, if every one has one. */
function givenReference(pairs: readonly PairLogProbs[]): readonly ScoredPair[] | undefined {
  const given = pairs.flatMap(({ referenceChosen: chosen, referenceRejected: rejected }) =>
    chosen && rejected ? [{ chosen, rejected }] : [],
  )
  return given.length === pairs.length && pairs.length > 0 ? given : undefined
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
  const judged = new JudgedRows(config)
  judged.add({ rows, scores })
  return judged.evaluate(statistics)
}

/** Held-out rows as they are scored, group by group. Of a row only sums stay, or its log-probs where the loss reads every one. */
export class JudgedRows {
  readonly #config: TrainConfig
  readonly #pairs: PairLogProbs[] = []
  readonly #weights: number[] = []

  constructor(config: TrainConfig) {
    this.#config = config
  }

  add({ rows, scores }: ScoredRows): void {
    const needsTokens = needsReferenceTokens(this.#config)
    rows.forEach((row, index) => {
      const pair = pairOf(row, scores[index]!)
      this.#pairs.push(needsTokens ? pair : withoutTokens(pair))
      this.#weights.push(row.weight)
    })
  }

  evaluate(statistics: GapStatistics): HeldOutEvaluation {
    const [config, pairs] = [this.#config, this.#pairs]
    const scored = pairs.map(({ policyChosen: chosen, policyRejected: rejected }) => ({ chosen, rejected }))
    const reference = givenReference(pairs)
    const evaluation =
      definitionOf(config.method).rows === "unpaired"
        ? evaluatePairs(ktoPairs(scored), ktoPairs(reference ?? []))
        : evaluatePairs(scored, reference)
    const loss = lossOfPairs(pairs, this.#weights, frozenStatistics(statistics, config), frozenRules(config))
    const named = Object.entries({ ...comparableMetrics(loss), ...policyMetrics(loss) }).map(
      ([name, value]) => [`eval_${name}`, value] as const,
    )
    const metrics = {
      eval_loss: Number.isFinite(loss.loss) ? loss.loss : null,
      eval_accuracy: evaluation.accuracy,
      ...Object.fromEntries(named),
    }
    const driftPerToken = reference && driftOf({ policy: scored, base: reference })?.perToken
    return { ...evaluation, loss: loss.loss, comparableLoss: loss.comparableLoss ?? loss.loss, driftPerToken, metrics }
  }
}

function withoutTokens(pair: PairLogProbs): PairLogProbs {
  const bare = ({ logProbs: _, ...sums }: ScoredResponse): ScoredResponse => sums
  const { policyChosen, policyRejected, referenceChosen, referenceRejected } = pair
  return {
    ...pair,
    ...{ policyChosen: bare(policyChosen), policyRejected: bare(policyRejected) },
    ...{ referenceChosen: referenceChosen && bare(referenceChosen) },
    ...{ referenceRejected: referenceRejected && bare(referenceRejected) },
  }
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
