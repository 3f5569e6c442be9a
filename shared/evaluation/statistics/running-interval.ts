// An interval of a mean that may be looked at after every value: an asymptotic confidence sequence (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas,
// Ann. Stat. 2024, theorem 2.2). Asymptotic: for charts; decisions are betting.ts's, which hold at every number of values.

export interface RunningMean {
  readonly count: number
  readonly mean: number
  /** Σ (x − mean)² */
  readonly squares: number
}

export const noValues: RunningMean = { count: 0, mean: 0, squares: 0 }

/** Welford's update. */
export function withValue({ count, mean, squares }: RunningMean, value: number): RunningMean {
  const after = mean + (value - mean) / (count + 1)
  return { count: count + 1, mean: after, squares: squares + (value - mean) * (value - after) }
}

/** Before so many values the approximation by a normal walk does not hold. */
export const LEAST_VALUES = 50

export interface RunningIntervalOptions {
  /** The chance that it ever leaves out the mean; 0.05. */
  readonly alpha?: number
  /** The number of values at which it is tightest; 100. */
  readonly tightestAt?: number
}

/** Low and high; undefined before LEAST_VALUES. Half its width is √((nσ²ρ² + 1) / (n²ρ²) · ln((nσ²ρ² + 1) / α²)). */
export function runningInterval(
  { count, mean, squares }: RunningMean,
  { alpha = 0.05, tightestAt = 100 }: RunningIntervalOptions = {},
): readonly [low: number, high: number] | undefined {
  if (!(alpha > 0 && alpha < 1) || !(tightestAt > 0))
    throw new RangeError(`alpha ${alpha} is in (0, 1), tightestAt ${tightestAt} above 0`)
  if (count < LEAST_VALUES) return undefined
  const squaredRho = (-2 * Math.log(alpha) + Math.log(-2 * Math.log(alpha)) + 1) / tightestAt
  const spread = squares * squaredRho + 1
  const half = Math.sqrt((spread / (count ** 2 * squaredRho)) * Math.log(spread / alpha ** 2))
  return [mean - half, mean + half]
}
