// Running statistics of the gap M = Δθ − Δref, in f64 on the host. Two modes: `adaptive` is ours, `official` is bit for bit
// what scripts/dpo_trainer.py of junkangwu/alpha-DPO does. Evaluation never updates them; they belong into the checkpoint.

/** Uncorrected moving averages and the numbers of updates behind them. Plain JSON. */
export interface GapStatistics {
  /** m, nats per token */
  readonly mean: number
  /** s, nats per token */
  readonly std: number
  readonly meanUpdates: number
  /** Fewer than `meanUpdates` when a step had a single usable gap, which has no sample deviation. */
  readonly stdUpdates: number
}

export const STATISTICS_MODES = ["adaptive", "official", "lagged"] as const
export type StatisticsMode = (typeof STATISTICS_MODES)[number]

/** m and s as z uses them. */
export interface GapNormaliser {
  readonly mean: number
  readonly std: number
}

/** official mode divided by a deviation of zero (or of a single gap), where the authors' code goes on with NaN. */
export class DegenerateGapStatistics extends Error {
  readonly _tag = "DegenerateGapStatistics"
  constructor(reason: string) {
    super(
      `statistics "official" cannot normalise the gap: ${reason}. The authors' code continues with NaN here; use statistics "adaptive"`,
    )
    this.name = "DegenerateGapStatistics"
  }
}

const GAP_MOMENTUM = 0.9
/** Floor of s in nats per token: below it z would amplify rounding noise. */
export const GAP_STD_FLOOR = 1e-3

/** Nats per token: gaps of policy = reference part by rounding alone where the two were computed in different micro-batches. */
const ROUNDING_STD = 1e-6

export const initialGapStatistics: GapStatistics = { mean: 0, std: 0, meanUpdates: 0, stdUpdates: 0 }

/** Mean and sample deviation (n−1) in two passes; the deviation of fewer than two values is undefined. */
export function sampleMoments(values: readonly number[]): { readonly mean: number; readonly std: number | undefined } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  if (values.length < 2) return { mean, std: undefined }
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return { mean, std: Math.sqrt(squares / (values.length - 1)) }
}

/**
 * One update over all gaps of an optimiser step. Non-finite gaps are left out (and counted in `excluded`); a single gap
 * updates the mean alone; no usable gap changes nothing.
 */
export function updateAdaptive(
  statistics: GapStatistics,
  gaps: readonly number[],
): { readonly statistics: GapStatistics; readonly excluded: number } {
  const usable = gaps.filter(Number.isFinite)
  const excluded = gaps.length - usable.length
  if (usable.length === 0) return { statistics, excluded }
  const { mean, std } = sampleMoments(usable)
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

/** The authors' update, once per micro-batch: moving averages from 0, no correction. Errors: DegenerateGapStatistics. */
function updateOfficial(statistics: GapStatistics, gaps: readonly number[]): GapStatistics {
  const { mean, std } = sampleMoments(gaps)
  if (std === undefined) throw new DegenerateGapStatistics("a micro-batch has a single pair, whose deviation is 0/0")
  const updated = {
    mean: blend(statistics.mean, mean),
    std: blend(statistics.std, std),
    meanUpdates: statistics.meanUpdates + 1,
    stdUpdates: statistics.stdUpdates + 1,
  }
  if (!(updated.std > 0) || (statistics.stdUpdates === 0 && std < ROUNDING_STD)) {
    throw new DegenerateGapStatistics("all gaps are equal (policy = reference, the normal first step of LoRA)")
  }
  return updated
}

/** Bias-corrected m and floored s (each divided by 1 − 0.9^t). Before the first update m is 0 and s the floor. */
export function adaptiveNormaliser(statistics: GapStatistics, stdFloor = GAP_STD_FLOOR): GapNormaliser {
  const { mean, std, meanUpdates, stdUpdates } = statistics
  return {
    mean: meanUpdates === 0 ? 0 : mean / (1 - GAP_MOMENTUM ** meanUpdates),
    std: Math.max(stdFloor, stdUpdates === 0 ? 0 : std / (1 - GAP_MOMENTUM ** stdUpdates)),
  }
}

/** z = (M − m) / s; 0 for a gap that is not finite. */
function normaliseGap(gap: number, { mean, std }: GapNormaliser): number {
  return Number.isFinite(gap) ? (gap - mean) / std : 0
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
  readonly statistics: GapStatistics
  /** The last normaliser used, for the log. */
  readonly normaliser: GapNormaliser
  readonly excluded: number
}

/**
 * z of all gaps of one optimiser step, and the statistics after it. `adaptive` normalises by statistics that include this step,
 * `lagged` by those before it (z = 0 at the first step), `official` group by group. Errors: DegenerateGapStatistics (official).
 */
export function normaliseStep(statistics: GapStatistics, gaps: readonly number[], options: GapOptions): NormalisedGaps {
  if (options.mode === "official") return normaliseOfficial(statistics, gaps, options.officialGroupPairs ?? 8)
  const updated = updateAdaptive(statistics, gaps)
  const used = options.mode === "lagged" ? statistics : updated.statistics
  const normaliser = adaptiveNormaliser(used, options.stdFloor)
  const isUnknown = used.meanUpdates === 0
  return {
    normalised: gaps.map((gap) => (isUnknown ? 0 : normaliseGap(gap, normaliser))),
    statistics: updated.statistics,
    normaliser,
    excluded: updated.excluded,
  }
}

/** A gap that is not finite makes every z NaN, as in the authors' code: the step is lost, and what it would make of the statistics too. */
function normaliseOfficial(statistics: GapStatistics, gaps: readonly number[], groupPairs: number): NormalisedGaps {
  const excluded = gaps.filter((gap) => !Number.isFinite(gap)).length
  if (excluded > 0) return { normalised: gaps.map(() => Number.NaN), statistics, normaliser: statistics, excluded }
  let current = statistics
  const normalised: number[] = []
  for (let start = 0; start < gaps.length; start += groupPairs) {
    const group = gaps.slice(start, start + groupPairs)
    current = updateOfficial(current, group)
    for (const gap of group) normalised.push((gap - current.mean) / current.std)
  }
  return { normalised, statistics: current, normaliser: { mean: current.mean, std: current.std }, excluded: 0 }
}

function blend(running: number, observed: number): number {
  return GAP_MOMENTUM * running + (1 - GAP_MOMENTUM) * observed
}
