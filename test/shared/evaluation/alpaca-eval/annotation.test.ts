import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { codePointLength, preferenceOf, verdictOfTokens } from "#shared/evaluation/alpaca-eval/annotation.ts"
import { lengthFeatures } from "#shared/evaluation/alpaca-eval/length-features.ts"
import { rawWinRate } from "#shared/evaluation/alpaca-eval/raw-win-rate.ts"
import { TooLittleJudged } from "#shared/evaluation/evaluation-error.ts"

const judged = (preference: number | undefined, modelLength = 10) => ({
  instruction: 0,
  preference,
  baselineLength: 10,
  modelLength,
})

describe("the preference from the log-probs of the judge's token", () => {
  test.each([
    ["first four times as likely", { first: Math.log(0.8), second: Math.log(0.2), isSwapped: false }, 1.2],
    ["the same, model shown first", { first: Math.log(0.8), second: Math.log(0.2), isSwapped: true }, 1.8],
    ["other tokens take most", { first: Math.log(0.03), second: Math.log(0.01), isSwapped: false }, 1.25],
    ["second not listed", { first: -0.1, second: undefined, isSwapped: false }, 1],
    ["first not listed", { first: undefined, second: -3, isSwapped: false }, 2],
    ["first not listed, swapped", { first: undefined, second: -3, isSwapped: true }, 1],
    ["far below what e^x can hold", { first: -2000, second: -2000 - Math.log(3), isSwapped: false }, 1.25],
  ])("%s", (_, verdict, expected) => {
    expect(preferenceOf(verdict)).toBeCloseTo(expected, 12)
  })

  test("neither listed is no preference", () => {
    expect(preferenceOf({ first: undefined, second: undefined, isSwapped: true })).toBeUndefined()
  })

  test("swapping mirrors it at a draw, and so does exchanging the log-probs", () => {
    const logProb = fc.double({ min: -30, max: 0, noNaN: true })
    fc.assert(
      fc.property(logProb, logProb, (first, second) => {
        const plain = preferenceOf({ first, second, isSwapped: false })!
        expect(preferenceOf({ first, second, isSwapped: true })).toBeCloseTo(3 - plain, 12)
        expect(preferenceOf({ first: second, second: first, isSwapped: false })).toBeCloseTo(3 - plain, 12)
      }),
    )
  })

  test("tokens count by their exact letters", () => {
    const tokens = [
      { token: " m", logprob: -0.1 },
      { token: "M", logprob: -3 },
      { token: "m ", logprob: -4 },
      { token: "m", logprob: -5 },
    ]
    expect(verdictOfTokens(tokens)).toEqual({ first: -5, second: -3 })
    expect(verdictOfTokens(tokens.slice(0, 3))).toEqual({ first: undefined, second: -3 })
  })
})

describe("raw win rate", () => {
  test("by hand: 1.5, 1.5, 1.9, 1.1 and one without a verdict", () => {
    const annotations = [judged(1.5, 3), judged(1.5, 4), judged(1.9, 6), judged(1.1, 8), judged(undefined, 3)]
    // y = .5 .5 .9 .1: mean .5, variance .32/3
    expect(rawWinRate(annotations)).toEqual({
      winRate: expect.closeTo(50, 12),
      standardError: expect.closeTo((100 * Math.sqrt(0.32 / 3)) / 2, 12),
      wins: 1,
      baselineWins: 1,
      draws: 2,
      judged: 4,
      discreteWinRate: 50,
      averageLength: 4,
    })
  })

  test("the discrete rate rounds: 1.51 is a win, 1.49 none, and a draw is half of one", () => {
    const { discreteWinRate, wins, winRate } = rawWinRate([judged(1.51), judged(1.49), judged(1.49), judged(1.5)])
    expect([discreteWinRate, wins]).toEqual([37.5, 1])
    expect(winRate).toBeCloseTo(49.75, 12)
  })

  test("one verdict has no spread, none has no rate", () => {
    expect(rawWinRate([judged(1.25)])).toMatchObject({ winRate: 25, standardError: 0 })
    expect(() => rawWinRate([judged(undefined)])).toThrow(RangeError)
  })
})

describe("lengths", () => {
  test("are code points, as Python counts them", () => {
    expect(["", "abc", "余白", "é", "🌊", "👩‍🔬", "e\u0301"].map(codePointLength)).toEqual([0, 3, 2, 1, 1, 3, 2])
  })

  test("the feature is tanh of the difference over the sample deviation, not centred, positive where the baseline is longer", () => {
    // Differences 6, 2, 1: mean 3, sample variance 7.
    const pairs = [
      [16, 10],
      [12, 10],
      [11, 10],
    ].map(([baselineLength, modelLength]) => ({ baselineLength: baselineLength!, modelLength: modelLength! }))
    const expected = [6, 2, 1].map((difference) => Math.tanh(difference / Math.sqrt(7)))
    lengthFeatures(pairs).forEach((feature, index) => {
      expect(feature).toBeCloseTo(expected[index]!, 14)
    })
  })

  test("answers that are all as long as the baseline's have no feature", () => {
    expect([...lengthFeatures([judged(1), judged(2)])]).toEqual([0, 0])
  })

  test("answers that all differ by one length are refused", () => {
    expect(() => lengthFeatures([judged(1, 7), judged(2, 7)])).toThrow(TooLittleJudged)
    expect(() => lengthFeatures([judged(1, 7), judged(2, 7)])).toThrow(
      /all 2 pairs .* the same 3 characters.* use the raw win rate/,
    )
  })
})
