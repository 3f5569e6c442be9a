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
  /** Absent where no draw gives another rate: that is no certainty, but verdicts too few or too alike to tell. */
  readonly lengthControlled?: Interval
}

/** Per cent: the fits themselves are no more exact. */
const LEAST_WIDTH = 1e-6

/**
 * Both intervals. The model's own pairs are drawn with replacement; gamed rows stay as they are, since they are no sample of the model's, and so does
 * C; without a fit the raw one alone. Draws without a judged pair, or in which length cannot be told from quality, are drawn again. Throws TooLittleJudged, FitNotReached.
 */
export function winRateIntervals(
  data: LengthData,
  fitted: LengthControlled | undefined,
  { rounds, random }: Resampling,
): WinRateIntervals {
  const { difficulties } = data
  if (fitted !== undefined && fitted.regularisation === undefined) return { raw: [50, 50], lengthControlled: [50, 50] }
  const refit = fitted && refitting(data, fitted)
  const raw = new Float64Array(rounds)
  const controlled = new Float64Array(rounds)
  for (let round = 0; round < rounds; round++) {
    const { drawn, own } = usableDraw(data, random)
    const judged = drawn.filter(isJudged)
    raw[round] = 100 * sampleMoments(judged.map(({ preference }) => preference - 1)).mean
    if (refit === undefined) continue
    const instructions = drawn.map(({ instruction }) => instruction)
    controlled[round] = foreseen(instructions, lengthWeights(refit(drawn, own)), difficulties).winRate
  }
  const interval = middle95(controlled)
  // A single draw has no width, whatever the verdicts are.
  const isKnown = refit !== undefined && (rounds === 1 || interval[1] - interval[0] > LEAST_WIDTH)
  return { raw: middle95(raw), ...(isKnown && { lengthControlled: interval }) }
}

/** The coefficients of a draw, at the same C and from the fit of all. */
function refitting({ gamed: rows, difficulties }: LengthData, { weights, regularisation }: LengthControlled) {
  const gamed = gamedRows(rows, difficulties)
  const start = Float64Array.from(
    difficulties === undefined ? [weights.length, weights.model] : [weights.length, weights.difficulty, weights.model],
  )
  return (drawn: readonly Annotation[], own: WeightedRows): Float64Array =>
    isBaselineItself(drawn)
      ? new Float64Array(gamed.width)
      : fitWeightedLogistic(stackedRows(own, gamed), 1 / regularisation!, start)
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
