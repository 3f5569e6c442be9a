// An interval that may be looked at any time: its formula, and its coverage over whole runs beside the interval of one look.
import { expect, test } from "vitest"
import { LEAST_VALUES, noValues, runningInterval, withValue } from "#shared/evaluation/statistics/running-interval.ts"
import { isFullRun } from "#test/full-run.ts"
import { uniformSource } from "#test/reference/random.ts"

test("a running mean is the mean of the values, its squares their deviations'", () => {
  const { count, mean, squares } = [1e6 + 1, 1e6 + 2, 1e6 + 6].reduce(withValue, noValues)
  expect([count, mean, squares]).toEqual([3, 1e6 + 3, 14])
})

test("half the width is as the formula says, with σ² = ¼, n = 100 and α = 0.05", () => {
  const [low, high] = runningInterval({ count: 100, mean: 0.6, squares: 25 })!
  // ρ² = (−2 ln 0.05 + ln(−2 ln 0.05) + 1) / 100 = 0.0878188
  const squaredRho = (5.991464547107982 + 1.790336 + 1) / 100
  const spread = 25 * squaredRho + 1
  const half = Math.sqrt((spread / (100 ** 2 * squaredRho)) * Math.log(spread / 0.0025))
  expect((low + high) / 2).toBeCloseTo(0.6, 12)
  expect((high - low) / 2).toBeCloseTo(half, 6)
  expect(half).toBeCloseTo(0.16133, 5)
})

test("before fifty values there is none, and options that are no chance and no number are refused", () => {
  expect(runningInterval({ count: LEAST_VALUES - 1, mean: 0.5, squares: 10 })).toBeUndefined()
  expect(runningInterval({ count: LEAST_VALUES, mean: 0.5, squares: 10 })).toBeDefined()
  expect(() => runningInterval(noValues, { alpha: 1 })).toThrow(RangeError)
  expect(() => runningInterval(noValues, { tightestAt: 0 })).toThrow(RangeError)
})

test("at 93 in 100 runs or more it holds the mean at every look from 50 to 805, where one look's interval fails a third of the runs", () => {
  const runs = isFullRun ? 2000 : 300
  const uniform = uniformSource(29)
  const failures = { running: 0, oneLook: 0 }
  for (let run = 0; run < runs; run++) {
    let values = noValues
    const failed = { running: false, oneLook: false }
    for (let question = 0; question < 805; question++) {
      values = withValue(values, uniform() < 0.3 ? 1 : 0)
      const interval = runningInterval(values)
      if (interval === undefined) continue
      if (interval[0] > 0.3 || interval[1] < 0.3) failed.running = true
      if (Math.abs(values.mean - 0.3) > (1.96 * Math.sqrt(values.squares)) / values.count) failed.oneLook = true
    }
    failures.running += Number(failed.running)
    failures.oneLook += Number(failed.oneLook)
  }
  expect(failures.running / runs).toBeLessThanOrEqual(0.07)
  expect(failures.oneLook / runs).toBeGreaterThan(0.25)
})
