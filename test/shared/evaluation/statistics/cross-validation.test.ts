import { describe, expect, test } from "vitest"
import { lengthRows } from "#shared/evaluation/alpaca-eval/length-rows.ts"
import { TooLittleJudged } from "#shared/evaluation/evaluation-error.ts"
import { crossValidatedRegularisation, REGULARISATIONS } from "#shared/evaluation/statistics/cross-validation.ts"
import { classRows, slowMinimum } from "#test/reference/alpaca-eval.ts"
import { annotationsOf, referenceSetOf, syntheticSet } from "../alpaca-eval/synthetic-set.ts"

test("the ten values of C are 1e-4 to 1e4, evenly on the logarithm", () => {
  expect(REGULARISATIONS.map((value) => Number(value.toPrecision(6)))).toEqual([
    0.0001, 0.000774264, 0.00599484, 0.0464159, 0.359381, 2.78256, 21.5443, 166.81, 1291.55, 10000,
  ])
})

describe("the chosen C", () => {
  const rowsOf = (seed: number, instructions?: number) => {
    const set = syntheticSet(seed, instructions)
    return { set, rows: lengthRows({ ...set, annotations: annotationsOf(set) }) }
  }

  /** Rows in pairs of classes; the fold of a pair is its number mod 5, and a fold's score the mean over pairs. */
  function slowlyChosen(seed: number, instructions?: number): number {
    const classes = classRows(referenceSetOf(rowsOf(seed, instructions).set), {})
    const scores = REGULARISATIONS.map((regularisation) => {
      const folds = [0, 1, 2, 3, 4].map((fold) => {
        const isUnseen = (index: number) => Math.floor(index / 2) % 5 === fold
        const training = classes.filter((_, index) => !isUnseen(index))
        const unseen = classes.filter((_, index) => isUnseen(index))
        const fitted = slowMinimum(training, "L1", 1 / regularisation)
        const losses = unseen.map(({ features, isModelPreferred, weight }) => {
          const score = features.reduce((sum, x, column) => sum + x * fitted[column]!, 0)
          return weight * Math.log(1 + Math.exp(isModelPreferred ? -score : score))
        })
        return losses.reduce((sum, loss) => sum + loss, 0) / (unseen.length / 2)
      })
      return folds.reduce((sum, score) => sum + score, 0)
    })
    return REGULARISATIONS[scores.indexOf(Math.min(...scores))]!
  }

  test.each([
    [1, 20, 21.54434690031882],
    [2, 20, 166.81005372000593],
    [3, 12, 2.782559402207126],
    [8, 12, 166.81005372000593],
  ])("is the slow twin's: seed %i, %i instructions, C = %f", (seed, instructions, expected) => {
    expect(crossValidatedRegularisation(rowsOf(seed, instructions).rows)).toBe(expected)
    expect(slowlyChosen(seed, instructions)).toBe(expected)
  })

  test("of four rows there are no five folds", () => {
    const { rows } = rowsOf(1)
    const four = {
      ...rows,
      features: rows.features.slice(0, 12),
      targets: rows.targets.slice(0, 4),
      weights: rows.weights.slice(0, 4),
    }
    expect(() => crossValidatedRegularisation(four)).toThrow(TooLittleJudged)
    expect(() => crossValidatedRegularisation(four)).toThrow(
      /at least 5 .* got 4; judge more, or give --regularisation/,
    )
  })
})
