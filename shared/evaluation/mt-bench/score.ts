// MT-Bench's score: the mean of all ratings, whatever the turn; ratings that the judge's answer did not hold are left out and counted.
import { TooLittleJudged } from "../evaluation-error.ts"
import { middle95 } from "../statistics/percentile.ts"
import { drawnMeans, type Resampling } from "../statistics/resampling.ts"

export interface Rated {
  readonly question: string
  /** 1, 2, … */
  readonly turn: number
  /** undefined: the judge's answer held none. */
  readonly rating: number | undefined
}

export interface MtBenchScore {
  readonly score: number
  /** Middle 95 % of draws of questions, with all their turns; absent where none was asked for. */
  readonly interval?: readonly [low: number, high: number]
  /** Mean by turn. */
  readonly turns: ReadonlyMap<number, number>
  readonly rated: number
  readonly missing: number
}

/** Throws TooLittleJudged where nothing was rated. */
export function mtBenchScore(all: readonly Rated[], resampling?: Resampling): MtBenchScore {
  const rated = all.filter(({ rating }) => rating !== undefined)
  if (rated.length === 0) throw new TooLittleJudged("holds no rating; judge some answers first")
  const turns = Map.groupBy(rated, ({ turn }) => turn)
  return {
    score: meanRating(rated),
    ...(resampling && { interval: drawnInterval(rated, resampling) }),
    turns: new Map([...turns].toSorted(([a], [b]) => a - b).map(([turn, each]) => [turn, meanRating(each)])),
    rated: rated.length,
    missing: all.length - rated.length,
  }
}

const sumOf = (rated: readonly Rated[]) => rated.reduce((sum, { rating }) => sum + rating!, 0)
const meanRating = (rated: readonly Rated[]) => sumOf(rated) / rated.length

function drawnInterval(rated: readonly Rated[], resampling: Resampling): readonly [number, number] {
  const questions = [...Map.groupBy(rated, ({ question }) => question)]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, each]) => ({ sum: sumOf(each), weight: each.length }))
  return middle95(drawnMeans(questions, resampling))
}
