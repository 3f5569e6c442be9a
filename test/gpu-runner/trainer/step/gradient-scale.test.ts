// The power of two that a backward pass is multiplied by.
import { expect, test } from "vitest"
import { unitScale } from "#gpu-runner/trainer/step/gradient-scale.ts"
import { bySum } from "#shared/methods/pair-log-probs.ts"

const scaleOf = (chosen: number, rejected: number) => unitScale([{ chosen: bySum(chosen), rejected: bySum(rejected) }])

test("the largest derivative of a step comes into [1, 2), whichever response's and whatever its sign", () => {
  expect(scaleOf(-0.3, 0.1)).toBe(4)
  expect(scaleOf(0.01, -5)).toBe(1 / 4)
  expect(scaleOf(1, -1)).toBe(1)
})

test("derivatives of saturated pairs take no scale that f32 cannot undo, and none or infinite ones take none", () => {
  for (const tiny of [1e-40, 1e-310, 5e-324]) expect(scaleOf(tiny, -tiny)).toBe(2 ** 126)
  for (const other of [0, Number.NaN, Number.POSITIVE_INFINITY]) expect(scaleOf(other, 0)).toBe(1)
})
