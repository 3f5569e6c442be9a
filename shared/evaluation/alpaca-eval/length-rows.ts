// The rows of AlpacaEval 2's length-controlled regression: the model's own, and those of the gamed baselines (the baseline told to be verbose,
// and to be concise), which anchor what length is worth. From alpaca_eval's metrics/glm_winrate.py, `length_controlled_v1`.
import type { WeightedRows } from "../statistics/weighted-logistic.ts"
import { type Annotation, isJudged } from "./annotation.ts"
import { lengthFeatures } from "./length-features.ts"

/** A pair of the baseline and its gamed self. */
export interface GamedRow {
  readonly gamedModel: string
  readonly instruction: number
  readonly baselineLength: number
  readonly modelLength: number
  /** From 0 (the baseline's answer is better) to 1. */
  readonly preference: number
}

/** What all gamed rows of one instruction weigh together; a row of the model's own weighs 1. */
const GAMED_WEIGHT = 0.2

/** By instruction, as the set's regression over all its models found it. */
export type Difficulties = readonly number[]

export interface LengthData {
  readonly annotations: readonly Annotation[]
  readonly gamed: readonly GamedRow[]
  /** Absent for instructions of one's own: the regression then has no such column. */
  readonly difficulties: Difficulties | undefined
}

interface Row {
  readonly length: number
  readonly instruction: number
  readonly isOwn: boolean
  readonly target: number
  readonly weight: number
}

/** Columns: length, difficulty where there are difficulties, and 1 for the model's own rows. Own rows that were judged come first. Throws TooLittleJudged. */
export function lengthRows({ annotations, gamed, difficulties }: LengthData): WeightedRows {
  return stackedRows(ownRows(annotations, difficulties), gamedRows(gamed, difficulties))
}

/** The deviation is that of all pairs, also of those that were not judged. */
export function ownRows(annotations: readonly Annotation[], difficulties: Difficulties | undefined): WeightedRows {
  const lengths = lengthFeatures(annotations)
  const rows = annotations.flatMap((annotation, index) =>
    isJudged(annotation)
      ? {
          length: lengths[index]!,
          instruction: annotation.instruction,
          isOwn: true,
          target: annotation.preference - 1,
          weight: 1,
        }
      : [],
  )
  return columnsOf(rows, difficulties)
}

/** Every gamed model has a deviation of its own. */
export function gamedRows(gamed: readonly GamedRow[], difficulties: Difficulties | undefined): WeightedRows {
  const models = Map.groupBy(gamed, ({ gamedModel }) => gamedModel)
  const rows = [...models.values()].flatMap((ofModel) => {
    const lengths = lengthFeatures(ofModel)
    return ofModel.map(({ instruction, preference }, index) => ({
      length: lengths[index]!,
      instruction,
      isOwn: false,
      target: preference,
      weight: GAMED_WEIGHT / models.size,
    }))
  })
  return columnsOf(rows, difficulties)
}

function columnsOf(rows: readonly Row[], difficulties: Difficulties | undefined): WeightedRows {
  const featuresOf = ({ length, instruction, isOwn }: Row) =>
    difficulties === undefined ? [length, Number(isOwn)] : [length, difficulties[instruction]!, Number(isOwn)]
  return {
    features: Float64Array.from(rows.flatMap(featuresOf)),
    width: difficulties === undefined ? 2 : 3,
    targets: Float64Array.from(rows, ({ target }) => target),
    weights: Float64Array.from(rows, ({ weight }) => weight),
  }
}

/** Both, `first` first; of one width. */
export function stackedRows(first: WeightedRows, second: WeightedRows): WeightedRows {
  return {
    features: stacked(first.features, second.features),
    width: first.width,
    targets: stacked(first.targets, second.targets),
    weights: stacked(first.weights, second.weights),
  }
}

function stacked(first: Float64Array, second: Float64Array): Float64Array {
  const all = new Float64Array(first.length + second.length)
  all.set(first)
  all.set(second, first.length)
  return all
}
