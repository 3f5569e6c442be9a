// Whether a series grows: the median of all slopes between two of its points (Theil 1950, Sen 1968), which outliers such as a garbage
// collection hardly move, with Sen's interval from the distribution of Kendall's statistic.

export interface Point {
  readonly x: number
  readonly y: number
}

export interface Trend {
  readonly slope: number
  /** 95 % interval of the slope, if the points are independent: give it medians of windows rather than samples. */
  readonly low: number
  readonly high: number
}

const Z_95 = 1.959964

const medianOf = (sorted: readonly number[]): number =>
  (sorted[Math.floor((sorted.length - 1) / 2)]! + sorted[Math.ceil((sorted.length - 1) / 2)]!) / 2

/** Medians of y over windows of x, each at its window's middle. */
export const windowMedians = (points: readonly Point[], width: number): readonly Point[] => {
  const windows = new Map<number, number[]>()
  for (const { x, y } of points) {
    const window = Math.floor(x / width)
    windows.set(window, [...(windows.get(window) ?? []), y])
  }
  return [...windows].map(([window, values]) => ({
    x: (window + 0.5) * width,
    y: medianOf(values.toSorted((a, b) => a - b)),
  }))
}

/** Throws RangeError for fewer than three points at different x. */
export const trendOf = (points: readonly Point[]): Trend => {
  const slopes: number[] = []
  for (const [index, from] of points.entries())
    for (const to of points.slice(index + 1)) if (to.x !== from.x) slopes.push((to.y - from.y) / (to.x - from.x))
  const count = points.length
  if (count < 3 || slopes.length < 3) throw new RangeError(`a trend needs three points, there are ${count}`)
  slopes.sort((a, b) => a - b)
  const deviation = Math.sqrt((count * (count - 1) * (2 * count + 5)) / 18)
  const at = (rank: number): number => slopes[Math.min(slopes.length - 1, Math.max(0, Math.round(rank)))]!
  return {
    slope: medianOf(slopes),
    low: at((slopes.length - Z_95 * deviation) / 2 - 1),
    high: at((slopes.length + Z_95 * deviation) / 2),
  }
}
