// The strength of the penalty by cross-validation: the C whose fits foresee the rows that they have not seen best.
import { TooLittleJudged } from "../evaluation-error.ts"
import { crossEntropy, fitWeightedLogistic, scoreOfRow, type WeightedRows } from "./weighted-logistic.ts"

const FOLDS = 5

/** Ten values of C from 1e-4 to 1e4, evenly on the logarithm. */
export const REGULARISATIONS: readonly number[] = Array.from({ length: 10 }, (_, step) => 10 ** (-4 + (8 * step) / 9))

/**
 * The best of REGULARISATIONS by five folds, row i in fold i mod 5: the lowest mean over folds of the mean of s·CE over a fold's rows. Of equal
 * ones the first. Throws TooLittleJudged, FitNotReached.
 */
export function crossValidatedRegularisation(rows: WeightedRows): number {
  const count = rows.targets.length
  if (count < FOLDS) {
    throw new TooLittleJudged(
      `cross-validation needs at least ${FOLDS} judged pairs of answers, got ${count}; judge more, or give --regularisation`,
    )
  }
  const losses = new Float64Array(REGULARISATIONS.length)
  for (let fold = 0; fold < FOLDS; fold++) {
    const training = rowsWhere(rows, (row) => row % FOLDS !== fold)
    const unseen = rowsWhere(rows, (row) => row % FOLDS === fold)
    // From one C to the next the minimum moves little.
    let coefficients: Float64Array = new Float64Array(rows.width)
    REGULARISATIONS.forEach((regularisation, index) => {
      coefficients = fitWeightedLogistic(training, 1 / regularisation, coefficients)
      losses[index]! += meanLoss(unseen, coefficients) / FOLDS
    })
  }
  return REGULARISATIONS[losses.indexOf(Math.min(...losses))]!
}

/** The plain mean over rows of s·CE. */
function meanLoss(rows: WeightedRows, coefficients: Float64Array): number {
  const losses = rows.targets.map(
    (target, row) => rows.weights[row]! * crossEntropy(target, scoreOfRow(rows, row, coefficients)),
  )
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length
}

function rowsWhere(
  { features, width, targets, weights }: WeightedRows,
  isKept: (row: number) => boolean,
): WeightedRows {
  return {
    features: features.filter((_, at) => isKept(Math.floor(at / width))),
    width,
    targets: targets.filter((_, row) => isKept(row)),
    weights: weights.filter((_, row) => isKept(row)),
  }
}
