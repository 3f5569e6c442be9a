// One signature for every method: log-probs of a step's pairs in, loss and one scalar per response out. The device needs nothing
// else, because a response's gradient is that scalar times the gradient of its log-probs.
import { type AlphaDpoOptions, alphaDpoLoss } from "./alpha-dpo.ts"
import { dpoLoss } from "./dpo.ts"
import {
  type GapNormaliser,
  type GapOptions,
  type GapStatistics,
  normaliseStep,
  type StatisticsMode,
} from "./gap-statistics.ts"
import { gapOf, type PairLogProbs, type PairLoss, type Reduction, ReferenceMissing } from "./pair-log-probs.ts"
import { simpoLoss } from "./simpo.ts"

export type PreferenceMethod = "alpha-dpo" | "simpo" | "dpo"
/** `sft` is no preference method: it is a weight rule on one response, see `sftLoss`. */
export type Method = PreferenceMethod | "sft"

export interface MethodOptions extends AlphaDpoOptions {
  readonly method: PreferenceMethod
  readonly statistics: StatisticsMode
  readonly gapStdFloor?: number | undefined
  readonly officialGroupPairs?: number | undefined
}

/** β belongs to the other reduction: a mean-reduced method wants about 2 to 10, a summed one .01 to .1. */
export class UnusualBeta extends Error {
  readonly _tag = "UnusualBeta"
  constructor(method: PreferenceMethod, beta: number) {
    const { reduction, low, high } = methodFacts[method]
    super(
      `beta ${beta} does not belong to ${method}, which reduces log-probs by ${reduction} and wants about ${low} to ${high}; ` +
        "change beta or method, or set allowUnusualBeta",
    )
    this.name = "UnusualBeta"
  }
}

interface MethodFacts {
  readonly reduction: Reduction
  /** The usual range of β. */
  readonly low: number
  readonly high: number
}

/** How each method reduces token log-probs, with the range of β that belongs to it. */
export const methodFacts: Readonly<Record<PreferenceMethod, MethodFacts>> = {
  "alpha-dpo": { reduction: "mean", low: 2, high: 10 },
  simpo: { reduction: "mean", low: 2, high: 10 },
  dpo: { reduction: "sum", low: 0.01, high: 0.1 },
}

/** Geometric middle between .1 and 2: a β beyond it was meant for the other reduction. */
const BETA_BOUNDARY = Math.sqrt(0.1 * 2)

/** Throws UnusualBeta when β lies on the other reduction's side of √(.1·2) ≈ .447. */
export function checkBeta(method: PreferenceMethod, beta: number): void {
  const isForSums = beta <= BETA_BOUNDARY
  if (isForSums !== (methodFacts[method].reduction === "sum")) throw new UnusualBeta(method, beta)
}

/** Whether the loss (not only the log) reads reference log-probs. */
export function needsReference({ method, alpha }: Pick<MethodOptions, "method" | "alpha">): boolean {
  return method === "dpo" || (method === "alpha-dpo" && alpha !== 0)
}

export interface StepLoss {
  /** Weighted mean of the pairs' losses. */
  readonly loss: number
  readonly pairs: readonly PairLoss[]
  readonly reduction: Reduction
  /** dL/d(log-prob of each token) of every chosen and rejected response: the scalars that the device multiplies with. */
  readonly chosenTokenWeights: Float64Array
  readonly rejectedTokenWeights: Float64Array
  readonly statistics: GapStatistics
  readonly normaliser: GapNormaliser | undefined
  /** Gaps that were not finite and did not enter the statistics. */
  readonly excludedGaps: number
}

/**
 * Loss and derivatives of one optimiser step. `weights` (default 1 each) weigh pairs in the mean, Σ wᵢLᵢ / Σ wᵢ; the gap
 * statistics see every pair alike. Errors: ReferenceMissing, DegenerateGapStatistics, RangeError when no weight is positive.
 */
export function stepLoss(
  pairs: readonly PairLogProbs[],
  statistics: GapStatistics,
  options: MethodOptions,
  weights?: ArrayLike<number>,
): StepLoss {
  const gaps = stepGaps(pairs, statistics, options)
  const losses = pairs.map((pair, index) => pairLoss(pair, gaps?.normalised[index] ?? 0, options))
  const weightOf = (index: number) => weights?.[index] ?? 1
  const totalWeight = pairs.reduce((sum, _, index) => sum + weightOf(index), 0)
  if (!(totalWeight > 0)) throw new RangeError("a step needs at least one pair of positive weight")
  const { reduction } = methodFacts[options.method]
  const perToken = (derivative: number, index: number, count: number) =>
    ((weightOf(index) / totalWeight) * derivative) / (reduction === "mean" ? count : 1)
  return {
    loss: losses.reduce((sum, { loss }, index) => sum + weightOf(index) * loss, 0) / totalWeight,
    pairs: losses,
    reduction,
    chosenTokenWeights: Float64Array.from(losses, (loss, i) => perToken(loss.dChosen, i, pairs[i]!.policyChosen.count)),
    rejectedTokenWeights: Float64Array.from(losses, (loss, i) =>
      perToken(loss.dRejected, i, pairs[i]!.policyRejected.count),
    ),
    statistics: gaps?.statistics ?? statistics,
    normaliser: gaps?.normaliser,
    excludedGaps: gaps?.excluded ?? 0,
  }
}

function pairLoss(pair: PairLogProbs, normalisedGap: number, options: MethodOptions): PairLoss {
  if (options.method === "dpo") return dpoLoss(pair, options)
  if (options.method === "simpo") return simpoLoss(pair, options)
  return alphaDpoLoss(pair, normalisedGap, options)
}

function stepGaps(pairs: readonly PairLogProbs[], statistics: GapStatistics, options: MethodOptions) {
  if (options.method !== "alpha-dpo" || options.alpha === 0) return undefined
  const gaps = pairs.map((pair) => {
    const gap = gapOf(pair)
    if (gap === undefined) throw new ReferenceMissing(options.method)
    return gap
  })
  const gapOptions: GapOptions = {
    mode: options.statistics,
    stdFloor: options.gapStdFloor,
    officialGroupPairs: options.officialGroupPairs,
  }
  return normaliseStep(statistics, gaps, gapOptions)
}
