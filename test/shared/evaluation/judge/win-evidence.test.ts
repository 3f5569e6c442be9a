// Evidence of one evaluation that answers win, or lose: an e-value, whatever the groups.
import fc from "fast-check"
import { expect, it } from "vitest"
import { bothEvidence, fromTheOther, NO_EVIDENCE, winEvidence } from "#shared/evaluation/judge/win-evidence.ts"
import { SeededRandom } from "#shared/evaluation/statistics/seeded-random.ts"

const repeat = <Item>(count: number, item: Item): Item[] => Array.from({ length: count }, () => item)
const ofOneGroup = (verdicts: readonly number[]) => winEvidence(verdicts, repeat(verdicts.length, ""))

it("is what the bets come to: nothing on the first prompt, four tenths of the wealth on the second of two wins", () => {
  expect(ofOneGroup([])).toEqual(NO_EVIDENCE)
  expect(ofOneGroup([1])).toEqual({ better: 1, worse: 1 })
  // The mean is 3/4 and the variance 1/4 then: the bet is 1/4 / (1/4 + 1/16) = 4/5 on a win by a half.
  expect(ofOneGroup([1, 1])).toEqual({ better: expect.closeTo(1.4, 12), worse: 1 })
  expect(ofOneGroup([0, 0])).toEqual({ better: 1, worse: expect.closeTo(1.4, 12) })
  expect(ofOneGroup(repeat(60, 0.5))).toEqual(NO_EVIDENCE)
})

it("is one on the mean of all that fair coins may bring: e-values", () => {
  const groups = ["a", "b", "a", "a", "c", "b", "b", "a", "a"]
  const all = Array.from({ length: 2 ** groups.length }, (_, bits) =>
    winEvidence(
      groups.map((_group, coin) => (bits >> coin) & 1),
      groups,
    ),
  )
  for (const side of ["better", "worse"] as const)
    expect(all.reduce((sum, evidence) => sum + evidence[side], 0) / all.length).toBeCloseTo(1, 12)
})

it("changes its sides where the two models change places", () => {
  const verdicts = fc.array(fc.tuple(fc.constantFrom(0, 0.5, 1), fc.constantFrom("a", "b", "c")), { maxLength: 200 })
  fc.assert(
    fc.property(verdicts, (rows) => {
      const groups = rows.map(([, group]) => group)
      const there = winEvidence(
        rows.map(([verdict]) => verdict),
        groups,
      )
      const back = fromTheOther(
        winEvidence(
          rows.map(([verdict]) => 1 - verdict),
          groups,
        ),
      )
      expect(back.better / there.better).toBeCloseTo(1, 9)
      expect(back.worse / there.worse).toBeCloseTo(1, 9)
    }),
    { numRuns: 50 },
  )
})

it("stays a number where it is multiplied, however many won", () => {
  const certain = ofOneGroup(repeat(2000, 1))
  expect(certain).toEqual({ better: 1e100, worse: 1 })
  expect(bothEvidence(certain, certain).better).toBe(1e100)
  expect(bothEvidence({ better: 1e-90, worse: 3 }, { better: 1e-90, worse: 5 })).toEqual({ better: 1e-100, worse: 15 })
})

it.each([
  [90, 0.65, 43],
  [90, 0.7, 80],
  [200, 0.65, 90],
  [90, 0.5, 0],
])("of evaluations with %i prompts and a win rate of %f some %i in 100 reach twenty", (prompts, rate, often) => {
  const shown = Array.from({ length: 1000 }, (_, seed) => {
    const random = new SeededRandom(seed, "wins")
    return ofOneGroup(Array.from({ length: prompts }, () => Number(random.unit() < rate)))
  }).filter(({ better }) => better >= 20)
  expect(Math.abs(shown.length / 10 - often)).toBeLessThan(3)
})
