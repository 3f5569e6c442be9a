// Differences of style, hand-worked, and what standardising makes of them.
import { expect, test } from "vitest"
import { standardise, styleDifference } from "#shared/evaluation/arena-hard/style-features.ts"
import { TooLittleJudged } from "#shared/evaluation/evaluation-error.ts"

test("v0.1 compares counts, v2.0 tokens and densities; two empty answers differ by nothing", () => {
  expect(styleDifference([30, 3, 0, 1], [9, 0, 0, 2], "0.1")).toEqual([21 / 40, 3 / 4, 0, -1 / 4])
  const densities = [3 / 30, 1 / 10] as const
  expect(styleDifference([29, 3, 0, 0], [9, 1, 0, 2], "2.0")).toEqual([
    ...[20 / 38, (densities[0] - densities[1]) / (densities[0] + densities[1] + 1), 0, -0.2 / 1.2],
  ])
  for (const version of ["0.1", "2.0"] as const) {
    expect(styleDifference([0, 0, 0, 0], [0, 0, 0, 0], version)).toEqual([0, 0, 0, 0])
    expect(styleDifference([1, 0, 0, 0], [0, 0, 0, 0], version)[0]).toBe(version === "0.1" ? 1 / 2 : 1)
  }
})

test("columns get the weighted mean 0 and deviation 1, by n or by n − 1; one that is the same everywhere becomes zeros", () => {
  const standardised = (version: "0.1" | "2.0") => {
    const columns = Float64Array.of(0, 7, 4, 7)
    standardise(columns, 2, [3, 1], version)
    return [...columns]
  }
  // Mean 1, squares 3·1 + 9 = 12: deviation √3 of four, 2 of a sample of four.
  expect(standardised("0.1")).toEqual([-1 / Math.sqrt(3), 0, 3 / Math.sqrt(3), 0])
  expect(standardised("2.0")).toEqual([-0.5, 0, 1.5, 0])
  expect(() => standardise(Float64Array.of(1), 1, [1], "2.0")).toThrow(TooLittleJudged)
})
