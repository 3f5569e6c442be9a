import { expect, test } from "vitest"
import { middle95, percentile } from "#shared/evaluation/statistics/percentile.ts"

test("a percentile lies between its neighbours as numpy's linear one does", () => {
  const values = [1, 2, 4, 8, 16]
  expect([0, 0.1, 0.25, 0.5, 0.9, 1].map((share) => percentile(values, share))).toEqual([1, 1.4, 2, 4, 12.8, 16])
  expect(percentile([7], 0.975)).toBe(7)
})

test("the middle 95 % of 0 to 200, in any order, is 5 to 195", () => {
  const shuffled = Array.from({ length: 201 }, (_, index) => (index * 77) % 201)
  expect(middle95(shuffled)).toEqual([5, 195])
})

test("no values, no percentile", () => {
  expect(() => percentile([], 0.5)).toThrow(RangeError)
})
