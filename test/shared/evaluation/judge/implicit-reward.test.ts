import fc from "fast-check"
import { describe, expect, test } from "vitest"
import {
  DEFAULT_REWARD,
  implicitPreference,
  implicitReward,
  type JudgedResponse,
  type RewardRule,
} from "#shared/evaluation/judge/implicit-reward.ts"
import { pairLoss } from "../../methods/sample-pairs.ts"

const response = fc.record({
  sum: fc.double({ min: -500, max: 0, noNaN: true }),
  count: fc.integer({ min: 1, max: 400 }),
})
const judged = fc.record({ policy: response, reference: fc.option(response, { nil: undefined }) })
const rule = fc.record({
  beta: fc.double({ min: 1e-3, max: 10, noNaN: true }),
  reduction: fc.constantFrom("sum" as const, "mean" as const),
})

const twice = (policy: number, reference: number, count: number): JudgedResponse => ({
  policy: { sum: policy, count },
  reference: { sum: reference, count },
})

describe("a tuned model's reward", () => {
  test("by hand: −30 against −50 nats of 10 tokens is 20 nats, 2 a token", () => {
    expect(implicitReward(twice(-30, -50, 10), { beta: 0.1, reduction: "sum" })).toBeCloseTo(2, 14)
    expect(implicitReward(twice(-30, -50, 10), { beta: 2.5, reduction: "mean" })).toBeCloseTo(5, 14)
    expect(implicitReward({ policy: { sum: -30, count: 10 } }, { beta: 2, reduction: "mean" })).toBeCloseTo(-6, 14)
  })

  test("is the one that DPO trains", () => {
    fc.assert(
      fc.property(response, response, response, response, (policyChosen, policyRejected, chosen, rejected) => {
        const pair = { policyChosen, policyRejected, referenceChosen: chosen, referenceRejected: rejected }
        const { rewardChosen } = pairLoss("dpo", pair, { beta: DEFAULT_REWARD.beta })
        expect(implicitReward({ policy: policyChosen, reference: chosen }, DEFAULT_REWARD)).toBeCloseTo(
          rewardChosen!,
          9,
        )
      }),
    )
  })
})

describe("its preference between two answers", () => {
  test("by hand: rewards ln 3 apart are 3 to 1", () => {
    const candidate = twice(-40 + Math.log(3) / 0.1, -40, 12)
    expect(implicitPreference(candidate, twice(-70, -70, 31))).toBeCloseTo(0.75, 12)
  })

  test("of one answer twice is exactly a half; exchanged, it is what is left of 1", () => {
    fc.assert(
      fc.property(judged, judged, rule, (one, other, how) => {
        expect(implicitPreference(one, one, how)).toBe(0.5)
        const preference = implicitPreference(one, other, how)
        expect(preference + implicitPreference(other, one, how)).toBeCloseTo(1, 12)
        expect([preference >= 0, preference <= 1]).toEqual([true, true])
      }),
    )
  })

  test("of an untuned model is a half, whatever the answers are", () => {
    fc.assert(
      fc.property(response, response, rule, (one, other, how) => {
        const untuned = (each: typeof one) => ({ policy: each, reference: each })
        expect(implicitPreference(untuned(one), untuned(other), how)).toBe(0.5)
      }),
    )
  })

  test("by means does not grow with an answer's length, and by sums does", () => {
    const gains = (count: number) => twice(-2 * count, -3 * count, count)
    const by = (reduction: RewardRule["reduction"]) =>
      implicitPreference(gains(40), gains(10), { beta: 0.1, reduction })
    expect(by("mean")).toBe(0.5)
    expect(by("sum")).toBeCloseTo(1 / (1 + Math.exp(-3)), 12)
  })

  test.each([Number.NaN, Number.NEGATIVE_INFINITY])("of an answer whose log-prob is %f is none", (sum) => {
    expect(() => implicitPreference(twice(sum, -5, 3), twice(-5, -5, 3))).toThrow(RangeError)
    expect(() => implicitPreference(twice(sum, -5, 3), twice(-5, -5, 3))).toThrow(/look at the judge's weights$/)
  })
})
