// Percentiles of a sample, and the interval that bootstrap values span.

/** The value below which `share` (0 to 1) of the ascending values lie, interpolated linearly between neighbours as numpy does. RangeError without values. */
export function percentile(ascending: ArrayLike<number>, share: number): number {
  if (ascending.length === 0) throw new RangeError("a percentile needs at least one value")
  const at = share * (ascending.length - 1)
  const below = Math.floor(at)
  const low = ascending[below]!
  const high = ascending[Math.min(below + 1, ascending.length - 1)]!
  return low + (high - low) * (at - below)
}

/** The middle 95 % of values in any order. RangeError without values. */
export function middle95(values: Iterable<number>): readonly [low: number, high: number] {
  const ascending = Float64Array.from(values).sort()
  return [percentile(ascending, 0.025), percentile(ascending, 0.975)]
}
