// Scores at equal style: the maximum likelihood fit of Bradley-Terry ratings and of what style differences are worth, over all models together, since
// they share the styles' coefficients. A score therefore depends on which models stand beside it.
import { sigmoid } from "#shared/methods/log-sigmoid.ts"
import { TooLittleJudged, UnusableJudgements } from "../evaluation-error.ts"
import { drawCounts, type Resampling } from "../statistics/resampling.ts"
import { type CountedWins, fitSparseLogistic, type SparseRows } from "../statistics/sparse-logistic.ts"
import { type Battles, type StyleCounts, tallyOf } from "./battles.ts"
import { intervalOf, type Mode, type Scored } from "./interval.ts"
import { COLUMNS, type Control, STYLE_NAMES, standardise, styleDifference } from "./style-features.ts"
import type { Play, Version } from "./verdict.ts"

/** By question. */
export type BaselineStyles = ReadonlyMap<string, StyleCounts>

export interface Controlled {
  readonly scores: ReadonlyMap<string, Scored>
  /** What one deviation of a style difference adds to the logarithm of odds, by the style's name. */
  readonly coefficients: Readonly<Record<string, number>>
}

export interface ControlOptions {
  readonly version: Version
  readonly control: Control
  readonly mode: Mode
  readonly resampling: Resampling | undefined
}

/**
 * v0.1's rows are ± ln 10 and its likelihood counts every game twice against a penalty |w|²/2 (scikit-learn's C = 1 on doubled rows), on the baseline's
 * rating too; v2.0 has natural logarithms and no penalty, and is fitted to the maximum, which the authors' fifty steps do not reach.
 */
const FITS = {
  "0.1": { unit: Math.LN10, ridge: 1, times: 2 },
  "2.0": { unit: 1, ridge: 0, times: 1 },
} as const

/** By model in the order of their names, so that sums do not depend on the order of files. Throws UnusableJudgements, TooLittleJudged, FitNotReached. */
export function styleControlled(
  models: ReadonlyMap<string, Battles>,
  baseline: BaselineStyles,
  options: ControlOptions,
): Controlled {
  const { version, control, mode, resampling } = options
  const names = [...models.keys()].toSorted()
  const played = names.flatMap((model, index) => playedRows(model, index, models.get(model)!, baseline, version))
  const counted = countedOf(played)
  const rows = rowsOf(played, names.length, counted, COLUMNS[control], version)
  const fitOf = (of: CountedWins, start?: Float64Array) => fitted(rows, of, version, start)
  const whole = fitOf(counted)
  refuseSeparated(whole.subarray(names.length + 1))
  const drawn = resampling && drawnShares(played, names.length, fitOf, whole, mode, resampling, version)
  const shares = sharesOf(whole, names.length, version)
  return {
    scores: new Map(
      names.map((name, index) => [
        name,
        { score: 100 * shares[index]!, ...(drawn && intervalOf(drawn[index]!, version)) },
      ]),
    ),
    coefficients: Object.fromEntries(
      COLUMNS[control].map((column, index) => [STYLE_NAMES[column]!, whole[names.length + 1 + index]!]),
    ),
  }
}

/** In deviations of a column: one that multiplies odds by e^10 is no taste, but tells all wins from all losses. */
const GREATEST_COEFFICIENT = 10

/** Draws are not refused for it: there the wins that are all foreseen are the answer. */
function refuseSeparated(coefficients: Float64Array): void {
  if (coefficients.every((value) => Math.abs(value) <= GREATEST_COEFFICIENT)) return
  throw new TooLittleJudged(
    "the styles of so few answers tell every win from every loss, so that no score at equal style can be had; judge more, or control fewer columns",
  )
}

/** A question's games of one model, which share their style difference. */
interface PlayedRow {
  readonly model: number
  readonly question: string
  readonly plays: readonly Play[]
  readonly difference: readonly number[]
}

function playedRows(
  model: string,
  index: number,
  { battles }: Battles,
  baseline: BaselineStyles,
  version: Version,
): PlayedRow[] {
  return battles.map(({ question, plays, style }) => {
    const beside = baseline.get(question)
    if (style === undefined) {
      throw new UnusableJudgements(
        `${model} has no style counts "s" at question ${question}; count them, or leave --baseline-style away`,
      )
    }
    if (beside === undefined) {
      throw new UnusableJudgements(
        `${model} was judged at question ${question}, and the baseline's styles do not hold it; give the file of the same questions`,
      )
    }
    return { model: index, question, plays, difference: styleDifference(style, beside, version) }
  })
}

function countedOf(played: readonly PlayedRow[]): CountedWins {
  const tallies = played.map(({ plays }) => tallyOf(plays))
  return {
    games: Float64Array.from(tallies, ({ weight }) => weight),
    wins: Float64Array.from(tallies, ({ wins }) => wins),
  }
}

/** Columns: the models' ratings, the baseline's, the styles. Standardised once, over the games as they are. */
function rowsOf(
  played: readonly PlayedRow[],
  models: number,
  { games }: CountedWins,
  styles: readonly number[],
  version: Version,
): SparseRows {
  const differences = Float64Array.from(played.flatMap(({ difference }) => styles.map((style) => difference[style]!)))
  standardise(differences, styles.length, games, version)
  const { unit, ridge } = FITS[version]
  // Without a penalty only differences from the baseline's rating are determined, which is then 0.
  const ofBaseline = ridge === 0 ? 0 : -unit
  return {
    width: models + 1 + styles.length,
    perRow: 2 + styles.length,
    columns: Uint32Array.from(
      played.flatMap(({ model }) => [model, models, ...styles.map((_, at) => models + 1 + at)]),
    ),
    values: Float64Array.from(
      played.flatMap((_, row) => [
        unit,
        ofBaseline,
        ...differences.subarray(row * styles.length, (row + 1) * styles.length),
      ]),
    ),
  }
}

function fitted(rows: SparseRows, { games, wins }: CountedWins, version: Version, start?: Float64Array): Float64Array {
  const { ridge, times } = FITS[version]
  const counted = { games: games.map((each) => times * each), wins: wins.map((each) => times * each) }
  return fitSparseLogistic(rows, counted, ridge, start)
}

/** Of the games against the baseline at a style difference that is the mean of all. */
function sharesOf(coefficients: Float64Array, models: number, version: Version): Float64Array {
  const { unit } = FITS[version]
  return coefficients.slice(0, models).map((rating) => sigmoid(unit * (rating - coefficients[models]!)))
}

/** By model, the shares of every round; a round's fit starts where the whole's ended. */
function drawnShares(
  played: readonly PlayedRow[],
  models: number,
  fitOf: (counted: CountedWins, start: Float64Array) => Float64Array,
  start: Float64Array,
  mode: Mode,
  { rounds, random }: Resampling,
  version: Version,
): Float64Array[] {
  const draw = mode === "cluster" ? questionDraw(played, random) : rowDraw(played, random)
  const shares = Array.from({ length: models }, () => new Float64Array(rounds))
  for (let round = 0; round < rounds; round++) {
    sharesOf(fitOf(draw(), start), models, version).forEach((share, model) => {
      shares[model]![round] = share
    })
  }
  return shares
}

/** Questions with replacement, each with the games of all models, which share the baseline's answer. */
function questionDraw(played: readonly PlayedRow[], random: () => number): () => CountedWins {
  const whole = countedOf(played)
  const questions = [...new Set(played.map(({ question }) => question))].toSorted()
  const indices = new Map(questions.map((question, index) => [question, index]))
  const questionOf = played.map(({ question }) => indices.get(question)!)
  return () => {
    const times = drawCounts(questions.length, random)
    return {
      games: whole.games.map((games, row) => games * times[questionOf[row]!]!),
      wins: whole.wins.map((wins, row) => wins * times[questionOf[row]!]!),
    }
  }
}

/** Rows of the authors' fit with replacement, of which a strong verdict has three. */
function rowDraw(played: readonly PlayedRow[], random: () => number): () => CountedWins {
  const rows = played.flatMap(({ plays }, row) =>
    plays.flatMap(({ weight, score }) => Array.from({ length: weight }, () => ({ row, score }))),
  )
  return () => {
    const games = new Float64Array(played.length)
    const wins = new Float64Array(played.length)
    drawCounts(rows.length, random).forEach((times, at) => {
      const { row, score } = rows[at]!
      games[row]! += times
      wins[row]! += times * score
    })
    return { games, wins }
  }
}
