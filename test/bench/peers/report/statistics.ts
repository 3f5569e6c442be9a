// Medians and ranges of rounds. A ratio is taken within a round, where both systems saw the same machine, and then its median.

export interface Range {
  readonly median: number
  readonly least: number
  readonly most: number
}

/** Errors: TypeError for no values. */
export function rangeOf(values: readonly number[]): Range {
  if (values.length === 0) throw new TypeError("no values to take a median of")
  const sorted = values.toSorted((left, right) => left - right)
  const middle = Math.floor(sorted.length / 2)
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
  return { median, least: sorted[0]!, most: sorted.at(-1)! }
}

/** numerator / denominator, round by round, as far as both have rounds. */
export function ratioOf(numerators: readonly number[], denominators: readonly number[]): Range {
  const rounds = Math.min(numerators.length, denominators.length)
  return rangeOf(Array.from({ length: rounds }, (_, round) => numerators[round]! / denominators[round]!))
}
