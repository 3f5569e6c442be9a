// AlpacaEval 2's length-controlled win rate: what a regression foresees for the model's answers if none were longer or shorter than the
// baseline's. From alpaca_eval's metrics/glm_winrate.py; where that stops its fit early, this one goes on to the minimum.
import { sampleMoments } from "#shared/methods/gap-statistics.ts"
import { sigmoid } from "#shared/methods/log-sigmoid.ts"
import { LengthNotControlled } from "../evaluation-error.ts"
import { crossValidatedRegularisation } from "../statistics/cross-validation.ts"
import { fitWeightedLogistic } from "../statistics/weighted-logistic.ts"
import { type Annotation, DRAW } from "./annotation.ts"
import { type Difficulties, type LengthData, lengthRows } from "./length-rows.ts"

export interface LengthWeights {
  /** Of tanh of the difference in length: negative where longer answers of the model win. */
  readonly length: number
  /** 0 without difficulties. */
  readonly difficulty: number
  /** The model's own quality: log-odds against the baseline at equal length on an instruction of difficulty 0. */
  readonly model: number
}

export interface LengthControlled {
  /** Per cent. */
  readonly winRate: number
  /** Per cent: how the foreseen win rates differ between instructions, / √n. Not the judge's or the fit's uncertainty. */
  readonly standardError: number
  readonly weights: LengthWeights
  /** C of the L1 penalty |w|₁/C; undefined for the baseline against itself, where nothing is fitted. */
  readonly regularisation: number | undefined
}

const NOTHING: LengthWeights = { length: 0, difficulty: 0, model: 0 }

/**
 * The length-controlled win rate at a given C, or at the one that cross-validation chooses. The mean runs over all annotations, also over those
 * without a preference. Where cross-validation holds every weight at 0, the 50 that follows is of no verdict: LengthNotControlled. A C that is given is
 * taken as told. Throws TooLittleJudged, FitNotReached.
 */
export function lengthControlled(data: LengthData, regularisation?: number): LengthControlled {
  const { annotations, difficulties } = data
  const instructions = annotations.map(({ instruction }) => instruction)
  if (isBaselineItself(annotations)) {
    return { ...foreseen(instructions, NOTHING, difficulties), weights: NOTHING, regularisation: undefined }
  }
  const rows = lengthRows(data)
  const chosen = regularisation ?? crossValidatedRegularisation(rows)
  const weights = lengthWeights(fitWeightedLogistic(rows, 1 / chosen))
  if (regularisation === undefined && saysNothing(weights)) throw new LengthNotControlled()
  return { ...foreseen(instructions, weights, difficulties), weights, regularisation: chosen }
}

/** All of a fit is held at 0. */
export const saysNothing = ({ length, difficulty, model }: LengthWeights): boolean =>
  length === 0 && difficulty === 0 && model === 0

/** By name what stands in the columns of lengthRows. */
export function lengthWeights(coefficients: Float64Array): LengthWeights {
  const [length, ...others] = coefficients
  return { length: length!, difficulty: others.length === 2 ? others[0]! : 0, model: others.at(-1)! }
}

/** Answers that are all equal are not judged but drawn: 50 by construction, which a fit beside gamed rows would miss. */
export function isBaselineItself(annotations: readonly Annotation[]): boolean {
  return annotations.every(
    ({ preference, baselineLength, modelLength }) => preference === DRAW && baselineLength === modelLength,
  )
}

/** The win rate at equal lengths, and its spread, on these instructions. */
export function foreseen(
  instructions: readonly number[],
  weights: LengthWeights,
  difficulties: Difficulties | undefined,
): { readonly winRate: number; readonly standardError: number } {
  const shares = instructions.map((instruction) =>
    sigmoid(weights.model + weights.difficulty * (difficulties?.[instruction] ?? 0)),
  )
  const { mean, std = 0 } = sampleMoments(shares)
  return { winRate: 100 * mean, standardError: (100 * std) / Math.sqrt(shares.length) }
}

/**
 * Per cent: how often one model's answer would be preferred to another's at equal length, from their weights against one baseline, with no judge
 * asked (alpaca_eval's `predict_winrate`). 100 minus the exchanged.
 */
export function foreseenBetween(
  instructions: readonly number[],
  weights: LengthWeights,
  others: LengthWeights,
  difficulties: Difficulties | undefined,
): number {
  const difference = {
    length: 0,
    difficulty: weights.difficulty - others.difficulty,
    model: weights.model - others.model,
  }
  return foreseen(instructions, difference, difficulties).winRate
}

const FAR_POINTS = 15

/** Whether length control moved a win rate so far (both per cent) that it is to be told: by alpaca_eval's bound, which lets 66 become 50, or by FAR_POINTS. */
export function isFarFromRaw(controlled: number, raw: number): boolean {
  const isFarByAlpacaEval =
    controlled < Math.min(raw - raw / 4, raw - 10) || controlled > Math.max(raw + (100 - raw) / 4, raw + 10)
  return isFarByAlpacaEval || Math.abs(controlled - raw) > FAR_POINTS
}
