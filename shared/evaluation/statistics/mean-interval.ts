// The mean of a few repetitions with its 95 % interval by Student's t.

export interface MeanInterval {
  readonly mean: number
  /** Half the interval's width; null for a single value. */
  readonly halfWidth: number | null
  readonly count: number
}

/** Two-sided 95 % quantiles of Student's t with 1 to 30 degrees of freedom. */
const T_95 = [
  12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.306, 2.2622, 2.2281, 2.201, 2.1788, 2.1604, 2.1448, 2.1314,
  2.1199, 2.1098, 2.1009, 2.093, 2.086, 2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423,
]
const Z_95 = 1.959963984540054

/** t of the two-sided 95 % interval, to four digits: a table, beyond it the expansion in 1/ν (Abramowitz & Stegun 26.7.5). */
export function studentQuantile95(degreesOfFreedom: number): number {
  const tabled = T_95[degreesOfFreedom - 1]
  if (tabled !== undefined) return tabled
  const z = Z_95
  return z + (z ** 3 + z) / (4 * degreesOfFreedom) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * degreesOfFreedom ** 2)
}

/** Mean ± t · s / √n over n values. RangeError without values. */
export function meanInterval(values: readonly number[]): MeanInterval {
  const count = values.length
  if (count === 0) throw new RangeError("a mean needs at least one value")
  const mean = values.reduce((sum, value) => sum + value, 0) / count
  if (count === 1) return { mean, halfWidth: null, count }
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1)
  return { mean, halfWidth: studentQuantile95(count - 1) * Math.sqrt(variance / count), count }
}
