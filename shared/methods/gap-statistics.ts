// Running statistics of the gap M = Δθ − Δref, in f64 on the host. Two modes: `adaptive` is ours, `official` is bit for bit
// what scripts/dpo_trainer.py of junkangwu/alpha-DPO does, but for 0/0. Evaluation never updates them; they belong into the checkpoint.

/** Uncorrected moving averages and the numbers of updates behind them. Plain JSON. */
export interface GapStatistics {
  /** m, nats per token */
  readonly mean: number
  /** s, nats per token */
  readonly std: number
  readonly meanUpdates: number
  /** One fewer than `meanUpdates` where the first step had a single usable gap, which has nothing to deviate from. */
  readonly stdUpdates: number
}

export const STATISTICS_MODES = ["adaptive", "official", "lagged"] as const
export type StatisticsMode = (typeof STATISTICS_MODES)[number]

/** m and s as z uses them. */
export interface GapNormaliser {
  readonly mean: number
  readonly std: number
}

/** official mode was given a single gap to take the deviation of, where the authors' code goes on with NaN for ever. */
export class DegenerateGapStatistics extends Error {
  readonly _tag = "DegenerateGapStatistics"
  constructor() {
    super(
      'statistics "official" cannot normalise the gap: a micro-batch has a single pair, whose deviation is 0/0. The authors\' code continues ' +
        'with NaN here; change batch or officialGroupPairs, or use statistics "adaptive"',
    )
    this.name = "DegenerateGapStatistics"
  }
}

const GAP_MOMENTUM = 0.9
/** Floor of s in nats per token: below it z would amplify rounding noise. */
export const GAP_STD_FLOOR = 1e-3

/** Nats per token: gaps of policy = reference part by rounding alone where the two were computed in different micro-batches. */
export const ROUNDING_STD = 1e-6

export const initialGapStatistics: GapStatistics = { mean: 0, std: 0, meanUpdates: 0, stdUpdates: 0 }

/** Mean and sample deviation (n−1) in two passes; the deviation of fewer than two values is undefined. */
export function sampleMoments(values: readonly number[]): { readonly mean: number; readonly std: number | undefined } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  if (values.length < 2) return { mean, std: undefined }
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return { mean, std: Math.sqrt(squares / (values.length - 1)) }
}

/**
 * One update over all gaps of an optimiser step. Non-finite gaps are left out (and counted in `excluded`); the deviation of a single gap
 * is its distance from the running mean (see `singleDeviation`), and the very first gap's is unknown; no usable gap changes nothing.
 */
export function updateAdaptive(
  statistics: GapStatistics,
  gaps: readonly number[],
): { readonly statistics: GapStatistics; readonly excluded: number } {
  const usable = gaps.filter(Number.isFinite)
  const excluded = gaps.length - usable.length
  if (usable.length === 0) return { statistics, excluded }
  const { mean, std = singleDeviation(statistics, mean) } = sampleMoments(usable)
  return {
    statistics: {
      mean: blend(statistics.mean, mean),
      std: std === undefined ? statistics.std : blend(statistics.std, std),
      meanUpdates: statistics.meanUpdates + 1,
      stdUpdates: statistics.stdUpdates + (std === undefined ? 0 : 1),
    },
    excluded,
  }
}

/**
 * |M − m| / √(1 + v) with m the corrected running mean of t gaps before this one, undefined at t = 0. Of independent gaps of variance σ²,
 * m has the variance vσ² with v = Σ wᵢ² = (1 + 0.9^t) / (19 (1 − 0.9^t)), wᵢ = 0.1 · 0.9^(t−i) / (1 − 0.9^t), and so M − m has (1 + v)σ².
 * At t = 1 v is 1, and this is the sample deviation of both gaps.
 */
function singleDeviation({ mean, meanUpdates }: GapStatistics, gap: number): number | undefined {
  if (meanUpdates === 0) return undefined
  const decay = GAP_MOMENTUM ** meanUpdates
  const meanVariance = ((1 - GAP_MOMENTUM) / (1 + GAP_MOMENTUM)) * ((1 + decay) / (1 - decay))
  return Math.abs(gap - mean / (1 - decay)) / Math.sqrt(1 + meanVariance)
}

/** The authors' update, once per micro-batch: moving averages from 0, no correction. */
function updateOfficial(statistics: GapStatistics, mean: number, std: number): GapStatistics {
  return {
    mean: blend(statistics.mean, mean),
    std: blend(statistics.std, std),
    meanUpdates: statistics.meanUpdates + 1,
    stdUpdates: statistics.stdUpdates + 1,
  }
}

/** Bias-corrected m and floored s (each divided by 1 − 0.9^t). Before a first observation m is 0 and s the floor. */
export function adaptiveNormaliser(statistics: GapStatistics, stdFloor = GAP_STD_FLOOR): GapNormaliser {
  const { mean, std, meanUpdates, stdUpdates } = statistics
  return {
    mean: meanUpdates === 0 ? 0 : mean / (1 - GAP_MOMENTUM ** meanUpdates),
    std: Math.max(stdFloor, stdUpdates === 0 ? 0 : std / (1 - GAP_MOMENTUM ** stdUpdates)),
  }
}

/** M − m; 0 for a gap that is not finite. */
function centredGap(gap: number, { mean }: GapNormaliser): number {
  return Number.isFinite(gap) ? gap - mean : 0
}

export interface GapOptions {
  readonly mode: StatisticsMode
  readonly stdFloor?: number | undefined
  /** Pairs of one update in `official` mode; 8 as in the authors' runs (2 pairs on each of 4 GPUs). */
  readonly officialGroupPairs?: number | undefined
}

export interface NormalisedGaps {
  /** z of every gap, in order. */
  readonly normalised: readonly number[]
  /** M − m of every gap, nats per token; 0 where m is not known, and for a gap that is not finite. */
  readonly centred: readonly number[]
  readonly statistics: GapStatistics
  /** The last normaliser used, for the log. */
  readonly normaliser: GapNormaliser
  readonly excluded: number
}

/**
 * z of all gaps of one optimiser step, and the statistics after it. `adaptive` normalises by statistics that include this step,
 * `lagged` by those before it, `official` group by group. Until a deviation has been observed z is 0: at the first step of `lagged`, and at
 * the first of `adaptive` where that has a single gap. Errors: DegenerateGapStatistics (official).
 */
export function normaliseStep(statistics: GapStatistics, gaps: readonly number[], options: GapOptions): NormalisedGaps {
  if (options.mode === "official") return normaliseOfficial(statistics, gaps, options.officialGroupPairs ?? 8)
  const updated = updateAdaptive(statistics, gaps)
  const used = options.mode === "lagged" ? statistics : updated.statistics
  const normaliser = adaptiveNormaliser(used, options.stdFloor)
  const isUnknown = used.stdUpdates === 0
  return {
    normalised: gaps.map((gap) => (isUnknown ? 0 : centredGap(gap, normaliser) / normaliser.std)),
    centred: gaps.map((gap) => (used.meanUpdates === 0 ? 0 : centredGap(gap, normaliser))),
    statistics: updated.statistics,
    normaliser,
    excluded: updated.excluded,
  }
}

/**
 * A gap that is not finite makes every z NaN, as in the authors' code: the step is lost, and what it would make of the statistics too.
 * While policy = reference, as before the first update, all gaps are 0 or rounding noise, and their z = 0/0 is taken as 0; it is noise or
 * NaN in the authors' runs, whose warm-up has rate 0 there. The averages go on as theirs do.
 */
function normaliseOfficial(statistics: GapStatistics, gaps: readonly number[], groupPairs: number): NormalisedGaps {
  const excluded = gaps.filter((gap) => !Number.isFinite(gap)).length
  const lost = gaps.map(() => Number.NaN)
  if (excluded > 0) return { normalised: lost, centred: lost, statistics, normaliser: statistics, excluded }
  let current = statistics
  const normalised: number[] = []
  const centred: number[] = []
  for (let start = 0; start < gaps.length; start += groupPairs) {
    const group = gaps.slice(start, start + groupPairs)
    const { mean, std } = sampleMoments(group)
    if (std === undefined) throw new DegenerateGapStatistics()
    const isNoise = std < ROUNDING_STD && current.std < ROUNDING_STD
    current = updateOfficial(current, mean, std)
    for (const gap of group) {
      centred.push(gap - current.mean)
      normalised.push(isNoise ? 0 : (gap - current.mean) / current.std)
    }
  }
  return { normalised, centred, statistics: current, normaliser: { mean: current.mean, std: current.std }, excluded: 0 }
}

function blend(running: number, observed: number): number {
  return GAP_MOMENTUM * running + (1 - GAP_MOMENTUM) * observed
}
