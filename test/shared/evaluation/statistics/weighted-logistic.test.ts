import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { FitNotReached } from "#shared/evaluation/evaluation-error.ts"
import {
  crossEntropy,
  fitWeightedLogistic,
  OPTIMALITY,
  optimalityGap,
  scoreOfRow,
  type WeightedRows,
} from "#shared/evaluation/statistics/weighted-logistic.ts"

const rowsOf = (rows: readonly (readonly [features: readonly number[], target: number, weight: number])[]) => ({
  features: Float64Array.from(rows.flatMap(([features]) => features)),
  width: rows[0]![0].length,
  targets: Float64Array.from(rows, ([, target]) => target),
  weights: Float64Array.from(rows, ([, , weight]) => weight),
})

/** The loss with its penalty: y·ln(1/σ) + (1 − y)·ln(1/(1 − σ)) is ln(1 + e^score) − y·score. */
function penalised(rows: WeightedRows, at: ArrayLike<number>, penalty: number): number {
  let loss = 0
  for (let row = 0; row < rows.targets.length; row++) {
    const score = scoreOfRow(rows, row, at)
    const softplus = Math.max(score, 0) + Math.log1p(Math.exp(-Math.abs(score)))
    loss += rows.weights[row]! * (softplus - rows.targets[row]! * score)
  }
  return loss + penalty * Array.from(at).reduce((sum, value) => sum + Math.abs(value), 0)
}

describe("by hand", () => {
  // 4 rows of weight 2.5 whose targets are 0.8 in the mean: 10·(σ(w) − 0.8) + penalty·sign(w) = 0.
  const bias = rowsOf([
    [[1], 1, 2.5],
    [[1], 1, 2.5],
    [[1], 0.7, 2.5],
    [[1], 0.5, 2.5],
  ])

  test.each([
    [1, Math.log(7 / 3)],
    [0.1, Math.log(0.79 / 0.21)],
    [2.9, Math.log(0.51 / 0.49)],
    [3, 0],
    [5, 0],
  ])("a bias alone, penalty %s: the log-odds of 0.8 − penalty/10, and 0 from there", (penalty, expected) => {
    const [fitted] = fitWeightedLogistic(bias, penalty)
    expect(fitted).toBeCloseTo(expected, 9)
    if (expected === 0) expect(fitted).toBe(0)
  })

  test("targets below a half give the opposite sign", () => {
    const mirrored = { ...bias, targets: bias.targets.map((target) => 1 - target) }
    expect(fitWeightedLogistic(mirrored, 1)[0]).toBeCloseTo(-Math.log(7 / 3), 9)
  })

  test("two rows that separate: 2·(1 − σ(w)) = penalty", () => {
    const separable = rowsOf([
      [[1], 1, 1],
      [[-1], 0, 1],
    ])
    for (const penalty of [1e-1, 1e-3, 1e-5]) {
      expect(fitWeightedLogistic(separable, penalty)[0]).toBeCloseTo(Math.log((2 - penalty) / penalty), 5)
    }
  })

  test("a column of zeros gets 0 and leaves the other alone", () => {
    const padded = rowsOf([
      [[0, 1], 0.9, 1],
      [[0, 1], 0.5, 1],
    ])
    const fitted = fitWeightedLogistic(padded, 0.2)
    expect(fitted[0]).toBe(0)
    expect(fitted[1]).toBeCloseTo(Math.log(0.6 / 0.4), 9)
  })

  test("cross-entropy of far scores is finite and right", () => {
    expect(crossEntropy(0, 800)).toBe(800)
    expect(crossEntropy(1, 800)).toBe(0)
    expect(crossEntropy(0.25, -400)).toBeCloseTo(100, 9)
    expect(crossEntropy(0.5, 0)).toBeCloseTo(Math.LN2, 15)
  })
})

const finite = (min: number, max: number) => fc.double({ min, max, noNaN: true })

const problem = fc.integer({ min: 1, max: 3 }).chain((width) =>
  fc.record({
    rows: fc
      .array(fc.tuple(fc.array(finite(-3, 3), { minLength: width, maxLength: width }), finite(0, 1), finite(0.01, 2)), {
        minLength: 2,
        maxLength: 40,
      })
      .map(rowsOf),
    penalty: finite(1e-4, 5),
  }),
)

describe("the minimum", () => {
  test("no step away from it lowers the loss, in any coordinate or between two", () => {
    fc.assert(
      fc.property(problem, ({ rows, penalty }) => {
        const fitted = fitWeightedLogistic(rows, penalty)
        const least = penalised(rows, fitted, penalty)
        for (const size of [1e-1, 1e-3]) {
          for (let a = 0; a < rows.width; a++) {
            for (let b = 0; b < rows.width; b++) {
              for (const [up, across] of [
                [size, 0],
                [-size, 0],
                [size, size],
                [size, -size],
              ] as const) {
                const moved = Array.from(fitted)
                moved[a]! += up
                moved[b]! += across
                expect(penalised(rows, moved, penalty)).toBeGreaterThanOrEqual(least - 1e-11 * (1 + least))
              }
            }
          }
        }
      }),
      { numRuns: 60 },
    )
  })

  test("its optimality conditions hold to the stated bound, by slopes of the loss itself", () => {
    fc.assert(
      fc.property(problem, ({ rows, penalty }) => {
        const fitted = fitWeightedLogistic(rows, penalty)
        const slopes = Float64Array.from(fitted, (_, column) => {
          let slope = 0
          for (let row = 0; row < rows.targets.length; row++) {
            const error = 1 / (1 + Math.exp(-scoreOfRow(rows, row, fitted))) - rows.targets[row]!
            slope += rows.weights[row]! * error * rows.features[row * rows.width + column]!
          }
          return slope
        })
        const total = rows.weights.reduce((sum, weight) => sum + weight, 0)
        expect(optimalityGap(slopes, fitted, penalty)).toBeLessThanOrEqual(2 * OPTIMALITY * total)
      }),
      { numRuns: 100 },
    )
  })

  test("is the same from wherever the fit starts", () => {
    fc.assert(
      fc.property(problem, fc.array(finite(-4, 4), { minLength: 3, maxLength: 3 }), ({ rows, penalty }, start) => {
        const from = Float64Array.from(start.slice(0, rows.width))
        const [one, other] = [fitWeightedLogistic(rows, penalty), fitWeightedLogistic(rows, penalty, from)]
        const [least, again] = [penalised(rows, one, penalty), penalised(rows, other, penalty)]
        expect(Math.abs(least - again)).toBeLessThanOrEqual(1e-10 * (1 + least))
      }),
      { numRuns: 60 },
    )
  })

  test.each([[[18, -3]], [[-18, 25]], [[9, 9]], [[0.5, -30]]])(
    "is reached from %j too, where the loss is all but straight and a whole step leads far past it",
    (start) => {
      const rows = rowsOf(
        Array.from({ length: 30 }, (_, row) => [[1, Math.sin(row)], row % 3 === 0 ? 0.2 : 0.7, 1 + (row % 2)] as const),
      )
      const fitted = fitWeightedLogistic(rows, 0.3)
      const again = fitWeightedLogistic(rows, 0.3, Float64Array.from(start))
      for (const [column, value] of fitted.entries()) expect(again[column]).toBeCloseTo(value, 9)
    },
  )

  test("columns that are nearly the same explain together what one would", () => {
    const near = rowsOf(
      Array.from({ length: 50 }, (_, row) => [[1, 1 + 1e-6 * Math.sin(row)], row % 4 === 0 ? 0.1 : 0.8, 1] as const),
    )
    const fitted = fitWeightedLogistic(near, 0.5)
    expect(fitted[0]! + fitted[1]!).toBeCloseTo(Math.log(0.608 / 0.392), 6)
  })
})

test("what has no minimum is refused, and says how to go on", () => {
  const broken = rowsOf([[[1], Number.NaN, 1]])
  expect(() => fitWeightedLogistic(broken, 1)).toThrow(FitNotReached)
  expect(() => fitWeightedLogistic(broken, 1)).toThrow(/not reached in 200 steps at C = 1; .* give a smaller C/)
})
