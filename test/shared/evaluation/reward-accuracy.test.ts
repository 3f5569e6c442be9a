// Accuracy of a reward with its guards against length, and McNemar's test.
import { describe, expect, test } from "vitest"
import { TooLittleJudged } from "#shared/evaluation/evaluation-error.ts"
import { compareCheckpoints, isRight, rewardAccuracy } from "#shared/evaluation/reward-accuracy.ts"
import { pairAccuracy } from "#shared/methods/accuracy.ts"

const pair = (chosen: number, rejected: number, chosenLength: number, rejectedLength: number) => ({
  chosen,
  rejected,
  chosenLength,
  rejectedLength,
})

test("a tie is wrong and counted, and the margin is the mean difference", () => {
  const accuracy = rewardAccuracy([pair(2, 1, 5, 9), pair(1, 1, 9, 5), pair(-3, 0, 9, 5), pair(0, -1, 5, 5)])
  expect(accuracy).toMatchObject({ accuracy: 0.5, ties: 1, margin: -0.25, pairs: 4, longerWins: 0.5 })
  expect(accuracy.low).toBeLessThan(0.5)
  // Methods are compared by another rule, in which a tie is one half.
  const tie = { sum: -2, count: 2 }
  expect(pairAccuracy([{ chosen: tie, rejected: tie }]).accuracy).toBe(0.5)
  expect(rewardAccuracy([pair(-1, -1, 2, 2)]).accuracy).toBe(0)
})

test("a reward that measures length is right where the chosen one is longer, and wrong elsewhere", () => {
  const lengths = Array.from({ length: 30 }, (_, index) => [10 + index, index % 3 === 0 ? 60 : 5] as const)
  const { accuracy, chosenLonger, chosenNotLonger, longerWins } = rewardAccuracy(
    lengths.map(([chosen, rejected]) => pair(chosen, rejected, chosen, rejected)),
  )
  expect([chosenLonger.accuracy, chosenLonger.pairs, chosenNotLonger.accuracy, chosenNotLonger.pairs]).toEqual([
    1, 20, 0, 10,
  ])
  expect(accuracy).toBe(longerWins)
  expect(chosenLonger.low).toBeGreaterThan(chosenNotLonger.high)
})

test("responses of one length stand with those whose chosen one is not longer; an empty side says nothing", () => {
  const { chosenLonger, chosenNotLonger } = rewardAccuracy([pair(1, 0, 4, 4)])
  expect(chosenLonger).toEqual({ accuracy: NaN, low: 0, high: 1, pairs: 0 })
  expect(chosenNotLonger.pairs).toBe(1)
})

test("no pairs, and rewards that are no numbers, are refused", () => {
  expect(() => rewardAccuracy([])).toThrow(TooLittleJudged)
  expect(() => rewardAccuracy([pair(1, 0, 1, 1), pair(NaN, 0, 1, 1)])).toThrow("the reward of pair 2 is no number")
  expect(() => rewardAccuracy([pair(0, NaN, 1, 1)])).toThrow("the reward of pair 1 is no number")
})

describe("McNemar's exact test", () => {
  const of = (firstAlone: number, secondAlone: number, both = 5) =>
    compareCheckpoints(
      [...Array(firstAlone).fill(true), ...Array(secondAlone).fill(false), ...Array(both).fill(true)],
      [...Array(firstAlone).fill(false), ...Array(secondAlone).fill(true), ...Array(both).fill(true)],
    )

  test("looks at the pairs that one checkpoint alone has right", () => {
    expect(of(8, 1)).toMatchObject({ firstAlone: 8, secondAlone: 1 })
    // 2·(1 + 9)/2⁹
    expect(of(8, 1).pValue).toBeCloseTo(20 / 512, 12)
    expect(of(1, 8).pValue).toBe(of(8, 1).pValue)
    expect(of(0, 5).pValue).toBeCloseTo(2 / 32, 12)
    expect(of(3, 3).pValue).toBe(1)
    expect(of(0, 0).pValue).toBe(1)
  })

  test("holds where powers of one half are nothing in f64", () => {
    // The normal approximation with continuity: z = (|1100 − 900| − 1)/√2000 = 4.4498, p = 8.6e-6.
    expect(of(1100, 900).pValue).toBeGreaterThan(8e-6)
    expect(of(1100, 900).pValue).toBeLessThan(9.2e-6)
  })

  test("needs the same pairs", () => {
    expect(() => compareCheckpoints([true], [])).toThrow(RangeError)
    expect(isRight(pair(1, 1, 1, 1))).toBe(false)
  })
})
