// A judge beside people: hand-worked measures, and judges that go by something else than the answers.
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { belowBar, calibrate, decisionOf, type VotedPair } from "#shared/evaluation/calibration/calibrate.ts"
import { TooLittleJudged } from "#shared/evaluation/evaluation-error.ts"
import { uniformSource } from "#test/reference/random.ts"

const pair = (
  votes: readonly number[],
  inOrder: number,
  swapped = inOrder,
  more: Partial<VotedPair> = {},
): VotedPair => ({
  votes,
  judged: [inOrder, swapped],
  ...more,
})

test("orders that disagree are a tie, however sure the judge is in each", () => {
  expect([decisionOf([0.9, 0.6]), decisionOf([0.1, 0.4]), decisionOf([0.99, 0.4]), decisionOf([0.5, 0.5])]).toEqual([
    1, 0, 0.5, 0.5,
  ])
})

test("hand-worked: agreement, κ and people's agreement of four pairs", () => {
  const { agreement, kappa, peopleAgreement, pairs, votes, interval } = calibrate([
    pair([1], 0.9),
    pair([0, 0, 1], 0.2),
    pair([0.5, 1], 0.8),
    pair([0], 0.9, 0.1),
  ])
  // Distances of seven votes: 0; 0, 0, 1; ½, 0; ½.
  expect(agreement).toBeCloseTo(1 - 2 / 7, 12)
  // The judge says 1 three times, 0 three times, ½ once; the votes are 1 three times, 0 three times, ½ once: expected (9 + 9 + 6·½·2)/49.
  expect(kappa).toBeCloseTo(1 - 2 / 7 / (24 / 49), 12)
  // Of the second pair 2/3 apart with three votes, of the third ½ with two.
  expect(peopleAgreement).toBeCloseTo(1 - (3 * (2 / 3) + 2 * 0.5) / 5, 12)
  expect([pairs, votes, interval]).toEqual([4, 7, undefined])
})

test("law: a judge that says what people say agrees wholly, and its contrary not at all", () => {
  const votes = fc
    .array(fc.constantFrom(0, 1), { minLength: 2, maxLength: 40 })
    .filter((all) => new Set(all).size === 2)
  fc.assert(
    fc.property(votes, (all) => {
      const same = calibrate(all.map((vote) => pair([vote], vote)))
      expect([same.agreement, same.kappa, same.flips, same.firstPlace]).toEqual([1, 1, 0, 0.5])
      const contrary = calibrate(all.map((vote) => pair([vote], 1 - vote)))
      expect(contrary.agreement).toBe(0)
      expect(contrary.kappa).toBeLessThan(0)
    }),
  )
})

test("a judge that guesses has κ 0 within chance, whatever people's taste is", () => {
  const uniform = uniformSource(47)
  const guessed = Array.from({ length: 4000 }, () => {
    const guess = uniform() < 0.8 ? 1 : 0
    return pair([uniform() < 0.8 ? 1 : 0], guess)
  })
  const { agreement, kappa } = calibrate(guessed)
  expect(agreement).toBeGreaterThan(0.6)
  expect(Math.abs(kappa)).toBeLessThan(0.05)
})

describe("what a judge goes by", () => {
  test("place: one that takes the first is a flip on every pair", () => {
    // The first answer when it is first, the second when that is.
    const { flips, firstPlace, agreement } = calibrate([pair([1], 0.25, 0.75), pair([0], 0.25, 0.75)])
    expect([flips, firstPlace, agreement]).toEqual([1, 0.75, 0.5])
  })

  test("length and lists, beside people's taste, on the pairs that differ in them", () => {
    const { longer, moreListItems } = calibrate([
      pair([1], 1, 1, { lengths: [10, 20], listItems: [0, 3] }),
      pair([1, 0], 0, 0, { lengths: [30, 20], listItems: [2, 2] }),
      pair([0], 0.5, 0.5, { lengths: [5, 50] }),
      pair([0], 0, 0, { lengths: [7, 7] }),
    ])
    expect(longer).toEqual({ judge: (1 + 1 + 0.5) / 3, people: (1 + 0.5 + 0) / 3, pairs: 3 })
    expect(moreListItems).toEqual({ judge: 1, people: 1, pairs: 1 })
    expect(calibrate([pair([1], 1)]).longer).toBeUndefined()
  })

  test("its odds: votes drawn at half of their logarithm have the temperature 2", () => {
    const uniform = uniformSource(53)
    const pairs = Array.from({ length: 6000 }, () => {
      const odds = 6 * (uniform() - 0.5)
      const vote = uniform() < 1 / (1 + Math.exp(-odds / 2)) ? 1 : 0
      return pair([vote], 1 / (1 + Math.exp(-odds)))
    })
    expect(Math.abs(calibrate(pairs).temperature! - 2)).toBeLessThan(0.15)
    expect(calibrate([pair([1], 1), pair([0], 0.5)]).temperature).toBeUndefined()
    expect(calibrate([pair([1], 0.1), pair([0], 0.9)]).temperature).toBeUndefined()
  })
})

test("an interval draws pairs with all their votes", () => {
  const pairs = Array.from({ length: 200 }, (_, index) => pair([1], index % 4 === 0 ? 0 : 1))
  const drawn = (of: readonly VotedPair[]) => calibrate(of, { rounds: 400, random: uniformSource(59) }).interval!
  const [low, high] = drawn(pairs)
  // 2·1.96·√(0.75·0.25/200)
  expect((high - low) / 0.12).toBeCloseTo(1, 0)
  expect(low).toBeLessThan(0.75)
  expect(drawn(pairs.map(({ votes, judged }) => ({ votes: [...votes, ...votes], judged })))).toEqual([low, high])
})

describe("the bar", () => {
  test("κ of two that always say one thing is no number, and below any that is asked for", () => {
    const measured = calibrate([pair([1], 0.9), pair([1], 0.8), pair([1], 0.7)])
    expect(measured.kappa).toBeNaN()
    expect(belowBar(measured)).toBeUndefined()
    expect(belowBar(measured, { kappa: -1 })).toMatch(/^the judge has a κ of NaN, below -1; take another judge$/)
  })

  const judged = (votes: readonly number[]) =>
    calibrate([...Array<VotedPair>(7).fill(pair(votes, 1)), ...Array<VotedPair>(3).fill(pair(votes, 0))])

  test("is people's agreement less a margin, and where no two people voted a stated one", () => {
    const once = judged([1])
    expect(once.agreement).toBeCloseTo(0.7, 12)
    expect(belowBar(once)).toBeUndefined()
    expect(belowBar(once, { otherwise: 0.71 })).toMatch(
      /goes with people at 70\.0 %, below the 71\.0 % that are asked for/,
    )
    const twice = judged([1, 1])
    expect(belowBar(twice)).toMatch(
      /goes with people at 70\.0 %, and they with each other at 100\.0 %, more than 5\.0 % above/,
    )
    expect(belowBar(twice, { margin: 0.31 })).toBeUndefined()
  })

  test("needs pairs", () => {
    expect(() => calibrate([])).toThrow(TooLittleJudged)
  })
})
