// Many e-values at once.
import fc from "fast-check"
import { expect, test } from "vitest"
import { logMeanEvidence, rejectedByEvidence } from "#shared/evaluation/statistics/several-claims.ts"

const logs = (...values: readonly number[]) => values.map(Math.log)

test("a global claim has the mean of the e-values, also of those that f64 cannot hold", () => {
  expect(Math.exp(logMeanEvidence(logs(4, 2, 0.5, 1.5)))).toBeCloseTo(2, 12)
  expect(logMeanEvidence([5000, 0])).toBeCloseTo(5000 - Math.LN2, 9)
  expect(() => logMeanEvidence([])).toThrow(RangeError)
})

test("of four slices those fall whose k-th e-value is 4 / (α k)", () => {
  // At α = 0.05: 80, 40, 26.7 and 20 are needed.
  expect(rejectedByEvidence(logs(79, 1, 1, 1), 0.05)).toEqual([false, false, false, false])
  expect(rejectedByEvidence(logs(1, 80, 1, 39), 0.05)).toEqual([false, true, false, false])
  // The second lifts the first, as in Benjamini and Hochberg's step-up.
  expect(rejectedByEvidence(logs(45, 1, 41, 26), 0.05)).toEqual([true, false, true, false])
  expect(rejectedByEvidence(logs(21, 21, 22, 20), 0.05)).toEqual([true, true, true, true])
  expect(() => rejectedByEvidence([], 1)).toThrow(RangeError)
  expect(rejectedByEvidence([], 0.05)).toEqual([])
})

test("law: more evidence for one slice never lets another stand again", () => {
  const values = fc.array(fc.double({ min: -2, max: 8, noNaN: true }), { minLength: 1, maxLength: 12 })
  fc.assert(
    fc.property(values, fc.nat(), (before, at) => {
      const index = at % before.length
      const more = before.map((value, each) => (each === index ? value + 1 : value))
      const [first, second] = [rejectedByEvidence(before, 0.1), rejectedByEvidence(more, 0.1)]
      first.forEach((isRejected, each) => {
        if (isRejected) expect(second[each]).toBe(true)
      })
    }),
  )
})
