// Intervals of the win rates by drawing instructions again and fitting again, so that what the judge might have said of other instructions counts,
// which the standard error of the length-controlled win rate leaves out.
import { sampleMoments } from "#shared/methods/gap-statistics.ts"
import { TooLittleJudged } from "../evaluation-error.ts"
import { middle95 } from "../statistics/percentile.ts"
import type { Resampling } from "../statistics/resampling.ts"
import { fitWeightedLogistic, type WeightedRows } from "../statistics/weighted-logistic.ts"
import { type Annotation, isJudged } from "./annotation.ts"
import { foreseen, isBaselineItself, type LengthControlled, lengthWeights } from "./length-controlled.ts"
import { gamedRows, type LengthData, ownRows, stackedRows } from "./length-rows.ts"

/** Low and high of the middle 95 %, per cent. */
export type Interval = readonly [low: number, high: number]

export interface WinRateIntervals {
  readonly raw: Interval
  readonly lengthControlled: Interval
}

/**
 * Both intervals. The model's own pairs are drawn with replacement; gamed rows stay as they are, since they are no sample of the model's, and so does
 * C. Draws without a judged pair, or in which length cannot be told from quality, are drawn again. Throws TooLittleJudged, FitNotReached.
 */
export function winRateIntervals(
  data: LengthData,
  { weights, regularisation }: LengthControlled,
  { rounds, random }: Resampling,
): WinRateIntervals {
  const { difficulties } = data
  if (regularisation === undefined) return { raw: [50, 50], lengthControlled: [50, 50] }
  const gamed = gamedRows(data.gamed, difficulties)
  const start = Float64Array.from(
    difficulties === undefined ? [weights.length, weights.model] : [weights.length, weights.difficulty, weights.model],
  )
  const raw = new Float64Array(rounds)
  const controlled = new Float64Array(rounds)
  for (let round = 0; round < rounds; round++) {
    const { drawn, own } = usableDraw(data, random)
    const judged = drawn.filter(isJudged)
    raw[round] = 100 * sampleMoments(judged.map(({ preference }) => preference - 1)).mean
    const instructions = drawn.map(({ instruction }) => instruction)
    const coefficients = isBaselineItself(drawn)
      ? new Float64Array(gamed.width)
      : fitWeightedLogistic(stackedRows(own, gamed), 1 / regularisation, start)
    controlled[round] = foreseen(instructions, lengthWeights(coefficients), difficulties).winRate
  }
  return { raw: middle95(raw), lengthControlled: middle95(controlled) }
}

const MAX_DRAWS = 100

function usableDraw({ annotations, difficulties }: LengthData, random: () => number) {
  for (let draw = 0; draw < MAX_DRAWS; draw++) {
    const drawn = annotations.map(() => annotations[Math.floor(random() * annotations.length)]!)
    const own = ownRowsOrNone(drawn, difficulties)
    if (own !== undefined && own.targets.length > 0) return { drawn, own }
  }
  throw new TooLittleJudged(
    `of ${annotations.length} pairs of answers too few differ to draw them again and again; judge more, or leave the interval away with --bootstrap 0`,
  )
}

function ownRowsOrNone(
  drawn: readonly Annotation[],
  difficulties: LengthData["difficulties"],
): WeightedRows | undefined {
  try {
    return ownRows(drawn, difficulties)
  } catch (error) {
    if (error instanceof TooLittleJudged) return undefined
    throw error
  }
}
