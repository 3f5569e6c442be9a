// The win rate as the judge gave it, with its counts. Formulas of alpaca_eval's metrics/winrate.py.
import { sampleMoments } from "#shared/methods/gap-statistics.ts"
import { type Annotation, DRAW, isJudged } from "./annotation.ts"

export interface RawWinRate {
  /** Per cent: the mean of the preferences from 0 to 1. */
  readonly winRate: number
  /** Per cent: sample deviation / √n. 0 of a single annotation, where none can be known. */
  readonly standardError: number
  readonly wins: number
  readonly baselineWins: number
  readonly draws: number
  /** Annotations with a preference. */
  readonly judged: number
  /** Per cent: a win counts 1, a draw ½. */
  readonly discreteWinRate: number
  /** Code points, cut to a whole number; over all answers, those without a preference too. */
  readonly averageLength: number
}

/** RangeError where nothing was judged. */
export function rawWinRate(annotations: readonly Annotation[]): RawWinRate {
  const preferences = annotations.filter(isJudged).map(({ preference }) => preference - 1)
  if (preferences.length === 0) throw new RangeError("a win rate needs at least one judged pair of answers")
  const { mean, std = 0 } = sampleMoments(preferences)
  const wins = preferences.filter((preference) => preference > DRAW - 1).length
  const baselineWins = preferences.filter((preference) => preference < DRAW - 1).length
  const draws = preferences.length - wins - baselineWins
  const lengths = annotations.reduce((sum, { modelLength }) => sum + modelLength, 0)
  return {
    winRate: 100 * mean,
    standardError: (100 * std) / Math.sqrt(preferences.length),
    wins,
    baselineWins,
    draws,
    judged: preferences.length,
    discreteWinRate: (100 * (wins + draws / 2)) / preferences.length,
    averageLength: Math.trunc(lengths / annotations.length),
  }
}
