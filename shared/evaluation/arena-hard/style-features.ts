// How an answer's style differs from the baseline's, as the columns of a fit; model against baseline.
import { TooLittleJudged } from "../evaluation-error.ts"
import type { StyleCounts } from "./battles.ts"
import type { Version } from "./verdict.ts"

/** What is held equal: all four columns, length alone, or the three of Markdown. */
export const CONTROLS = ["style", "length", "markdown"] as const
export type Control = (typeof CONTROLS)[number]

export const STYLE_NAMES = ["tokens", "headers", "lists", "bold"] as const

export const COLUMNS: Readonly<Record<Control, readonly number[]>> = {
  style: [0, 1, 2, 3],
  length: [0],
  markdown: [1, 2, 3],
}

/**
 * v0.1: (a − b) / (a + b + 1) of each count. v2.0: (a − b) / (a + b) of tokens, and (a − b) / (a + b + 1) of the others' densities, which are
 * count / (tokens + 1). Two empty answers differ by 0.
 */
export function styleDifference(model: StyleCounts, baseline: StyleCounts, version: Version): number[] {
  if (version === "0.1") return model.map((count, column) => ratio(count, baseline[column]!, 1))
  return model.map((count, column) =>
    column === 0
      ? ratio(count, baseline[0], 0)
      : ratio(count / (model[0] + 1), baseline[column]! / (baseline[0] + 1), 1),
  )
}

function ratio(model: number, baseline: number, added: number): number {
  const sum = model + baseline + added
  return sum === 0 ? 0 : (model - baseline) / sum
}

/**
 * Columns with weighted mean 0 and deviation 1, in place. v0.1 divides by the deviation of the whole (n), v2.0 by that of a sample (n − 1), n = Σ
 * weights. A column that is the same everywhere tells nothing and becomes zeros. `differences` is row after row, `width` columns each.
 */
export function standardise(
  differences: Float64Array,
  width: number,
  weights: ArrayLike<number>,
  version: Version,
): void {
  let total = 0
  for (let row = 0; row < weights.length; row++) total += weights[row]!
  const freedom = version === "0.1" ? total : total - 1
  if (freedom <= 0) throw new TooLittleJudged("one game alone shows no differences of style; judge more answers")
  for (let column = 0; column < width; column++) {
    const sumOf = (value: (difference: number) => number) => {
      let sum = 0
      for (let row = 0; row < weights.length; row++) sum += weights[row]! * value(differences[row * width + column]!)
      return sum
    }
    const mean = sumOf((difference) => difference) / total
    const deviation = Math.sqrt(sumOf((difference) => (difference - mean) ** 2) / freedom)
    const isConstant = deviation <= 1e-12 * Math.max(1, Math.abs(mean))
    for (let at = column; at < differences.length; at += width) {
      differences[at] = isConstant ? 0 : (differences[at]! - mean) / deviation
    }
  }
}
