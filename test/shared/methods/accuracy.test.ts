// Pair accuracy, its interval, the KL estimate, and the presets.
import { describe, expect, test } from "vitest"
import { klEstimate, pairAccuracy, wilsonInterval } from "#shared/methods/accuracy.ts"
import { checkBeta } from "#shared/methods/methods.ts"
import { presets } from "#shared/methods/presets.ts"

const scored = (chosen: readonly [number, number], rejected: readonly [number, number]) => ({
  chosen: { sum: chosen[0], count: chosen[1] },
  rejected: { sum: rejected[0], count: rejected[1] },
})

test("accuracy compares mean log-probs, so that a longer response is not punished for its length", () => {
  expect(pairAccuracy([scored([-10, 20], [-6, 4])]).accuracy).toBe(1)
  expect(pairAccuracy([scored([-10, 4], [-10, 5]), scored([-1, 1], [-2, 1])]).accuracy).toBe(0.5)
})

test("a tie counts one half", () => {
  expect(pairAccuracy([scored([-4, 2], [-2, 1])]).accuracy).toBe(0.5)
})

describe("the Wilson interval", () => {
  test("agrees with the published example of 8 of 10 at 95 %", () => {
    const { low, high } = wilsonInterval(8, 10)
    expect(low).toBeCloseTo(0.4901625, 6)
    expect(high).toBeCloseTo(0.9433178, 6)
  })

  test("stays inside [0, 1] at both ends", () => {
    expect(wilsonInterval(0, 5).low).toBe(0)
    expect(wilsonInterval(5, 5).high).toBe(1)
    expect(wilsonInterval(5, 5).low).toBeCloseTo(0.5655175, 6)
  })
})

test("KL is what the policy lost against the reference, per response and per token", () => {
  const policy = [
    { sum: -12, count: 4 },
    { sum: -7, count: 6 },
  ]
  const reference = [
    { sum: -10, count: 4 },
    { sum: -6, count: 6 },
  ]
  expect(klEstimate(policy, reference)).toEqual({ perResponse: 1.5, perToken: 0.3 })
  expect(() => klEstimate(policy, [])).toThrow(RangeError)
})

test("every preset's β belongs to its method's reduction", () => {
  for (const preset of Object.values(presets)) expect(() => checkBeta(preset.method, preset.beta)).not.toThrow()
})
