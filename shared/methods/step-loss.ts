// One signature for every method: the scores of a step's pairs in, loss and derivatives by the responses' scores out. The device needs
// nothing else, because a response's gradient is its derivatives times the gradients of its log-probs.
import type { GapNormaliser, GapStatistics } from "./gap-statistics.ts"
import { type MethodOptions, methodDefaults, preferenceDefinitionOf, reductionOf } from "./methods.ts"
import type { PairDirection, ResponseLengths } from "./pair-direction.ts"
import {
  type PairLogProbs,
  type PairLoss,
  type Reduction,
  type ResponseGradient,
  scaledGradient,
} from "./pair-log-probs.ts"
import { sftLoss } from "./sft.ts"
import { wpoWeight } from "./wpo.ts"

/** What a caller gives: the method, and the options that differ from `methodDefaults`. */
export type StepOptions = Pick<MethodOptions, "method"> & Partial<MethodOptions>

export interface StepLoss {
  /** Weighted mean of the pairs' losses, plus the SFT term where there is one. */
  readonly loss: number
  /** The same mean of `comparableLoss`, without an SFT term, where the method has one. */
  readonly comparableLoss: number | undefined
  /** Each pair's own loss, without weights and SFT term. */
  readonly pairs: readonly PairLoss[]
  readonly reduction: Reduction
  /** dL/d(scores) of every chosen and every rejected response, with all weights and the SFT term. */
  readonly chosen: readonly ResponseGradient[]
  readonly rejected: readonly ResponseGradient[]
  readonly statistics: GapStatistics
  readonly normaliser: GapNormaliser | undefined
  /** Gaps that were not finite and did not enter the statistics. */
  readonly excludedGaps: number
  /** KTO's reference point, nats. */
  readonly kl: number | undefined
  /** Mean NLL of the chosen responses' tokens, where `sftWeight` is not 0. */
  readonly negativeLogLikelihood: number | undefined
  /** WPO's weight of every pair, where `useWeighting` is on. */
  readonly pairWeights: readonly number[] | undefined
}

/**
 * Loss and derivatives of one optimiser step. `weights` (default 1 each) weigh pairs in the mean, Σ wᵢLᵢ / Σ wᵢ; the gap statistics and
 * KTO's kl see every pair alike; WPO's weights multiply Lᵢ and are not part of the divisor. The SFT term is `sftWeight` times the mean NLL
 * over all tokens of the chosen responses. Errors: ReferenceMissing, ScoresMissing, DegenerateGapStatistics, RangeError when no weight
 * is positive.
 */
export function stepLoss(
  pairs: readonly PairLogProbs[],
  statistics: GapStatistics,
  given: StepOptions,
  weights?: ArrayLike<number>,
): StepLoss {
  const options = { ...methodDefaults(given.method), ...given }
  const weightOf = (index: number) => weights?.[index] ?? 1
  const totalWeight = pairs.reduce((sum, _, index) => sum + weightOf(index), 0)
  if (!(totalWeight > 0)) throw new RangeError("a step needs at least one pair of positive weight")
  const definition = preferenceDefinitionOf(options.method)
  const { constants, gaps, kl } = definition.step?.(pairs, options, statistics) ?? {}
  const losses = pairs.map((pair, index) => definition.loss(pair, options, constants?.[index] ?? 0))
  const pairWeights = options.useWeighting ? pairs.map((pair) => wpoWeight(pair, options.weightingForm)) : undefined
  const shares = pairs.map((_, index) => (weightOf(index) / totalWeight) * (pairWeights?.[index] ?? 1))
  const sft = options.sftWeight === 0 ? undefined : chosenTerm(pairs, options.sftWeight, weights)
  return {
    loss: losses.reduce((sum, { loss }, index) => sum + shares[index]! * loss, 0) + (sft?.loss ?? 0),
    comparableLoss: comparableLossOf(pairs, shares, options),
    pairs: losses,
    reduction: reductionOf(options),
    chosen: losses.map(({ chosen }, index) => scaledGradient(chosen, shares[index]!, sft?.tokenWeights[index])),
    rejected: losses.map(({ rejected }, index) => scaledGradient(rejected, shares[index]!)),
    statistics: gaps?.statistics ?? statistics,
    normaliser: gaps?.normaliser,
    excludedGaps: gaps?.excluded ?? 0,
    kl,
    negativeLogLikelihood: sft?.negativeLogLikelihood,
    pairWeights,
  }
}

function comparableLossOf(
  pairs: readonly PairLogProbs[],
  shares: readonly number[],
  options: MethodOptions,
): number | undefined {
  const { comparableLoss } = preferenceDefinitionOf(options.method)
  const losses = pairs.flatMap((pair) => comparableLoss?.(pair, options) ?? [])
  if (losses.length < pairs.length) return undefined
  return losses.reduce((sum, loss, index) => sum + shares[index]! * loss, 0)
}

function chosenTerm(pairs: readonly PairLogProbs[], sftWeight: number, weights: ArrayLike<number> | undefined) {
  const { loss, tokenWeights } = sftLoss(
    pairs.map(({ policyChosen }) => policyChosen),
    weights,
  )
  return {
    negativeLogLikelihood: loss,
    loss: sftWeight * loss,
    tokenWeights: tokenWeights.map((weight) => sftWeight * weight),
  }
}

/**
 * The direction of a pair with responses of these lengths. Undefined where chosen and rejected have factors of their own: where the method
 * says so, and under an SFT term, whose weight is not the comparison's.
 */
export function pairDirection(lengths: ResponseLengths, options: MethodOptions): PairDirection | undefined {
  if (options.sftWeight !== 0) return undefined
  return preferenceDefinitionOf(options.method).direction?.(lengths, options)
}
