// A ladder of judges: what is left to the next one, what is drawn to be audited, and what the last one would say alone.
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import type { JudgedPair } from "#shared/evaluation/judge/judged-pairs.ts"
import {
  type EarlierVerdict,
  isUndecided,
  type LadderVerdict,
  ladderReport,
  onNextRung,
} from "#shared/evaluation/judge/ladder.ts"
import { SeededRandom } from "#shared/evaluation/statistics/seeded-random.ts"

const pair = (index: number, questions = 1): JudgedPair => ({
  ...{ id: index, digest: `${(index * 7919) % 1000}`.padStart(4, "0"), baselineLength: 1, modelLength: 2 },
  questions: Array.from({ length: questions }, (_, n) => ({ key: `${index}.${n}`, isSwapped: n === 1 }) as never),
})
const verdict = (value: number | null, isContradicted = false): EarlierVerdict => ({
  ...{ judge: "cheap", value, isContradicted },
})

describe("what an earlier judge leaves undecided", () => {
  test.each([
    ["within the band", verdict(0.5 + 0.2), true],
    ["at the other end of it", verdict(0.5 - 0.2), true],
    ["beyond it", verdict(0.71), false],
    ["no verdict", verdict(null), true],
    ["orders that disagree, however sure they come out", verdict(0.75, true), true],
  ])("%s", (_, of, is) => {
    expect(isUndecided(of, 0.2)).toBe(is)
  })

  test("a band of 0 is a draw", () => {
    expect([0.5, 0.5000001].map((value) => isUndecided(verdict(value), 0))).toEqual([true, false])
  })

  test("is asked, with what was said before beside it; what is decided is not, and equal answers never are", () => {
    const pairs = [pair(0), pair(1), pair(2, 0)]
    const next = onNextRung(pairs, [verdict(0.9), verdict(0.6), verdict(0.5)], { band: 0.2, audit: 0 })
    expect(next.map(({ questions }) => questions.length)).toEqual([0, 1, 0])
    expect(next.map(({ given }) => given)).toEqual([
      { judge: "cheap", value: 0.9 },
      { judge: "cheap", value: 0.6 },
      undefined,
    ])
  })

  test("the audit is the asked share of what is decided, the same in any order of the pairs, and more of it keeps what was drawn", () => {
    const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 40 })
    fc.assert(
      fc.property(shares, fc.double({ min: 0, max: 1, noNaN: true }), (values, audit) => {
        const pairs = values.map((_, index) => pair(index))
        const audited = (order: readonly number[], share: number) =>
          onNextRung(
            order.map((index) => pairs[index]!),
            order.map((index) => verdict(values[index]!)),
            { band: 0.2, audit: share },
          )
            .filter(({ isAudited }) => isAudited)
            .map(({ id }) => id)
            .sort()
        const forth = values.map((_, index) => index)
        const decided = values.filter((value) => !isUndecided(verdict(value), 0.2)).length
        expect(audited(forth, audit)).toHaveLength(Math.ceil(audit * decided))
        expect(audited(forth.toReversed(), audit)).toEqual(audited(forth, audit))
        expect(audited(forth, 1)).toEqual(expect.arrayContaining(audited(forth, audit)))
      }),
      { numRuns: 50 },
    )
  })
})

describe("the report", () => {
  const given = (value: number, audit?: number): LadderVerdict => ({ earlier: "cheap", isAsked: true, value, audit })
  const own = (value: number, isAsked = true): LadderVerdict => ({ earlier: undefined, isAsked, value })

  test("is none of one judge's verdicts", () => {
    expect(ladderReport([own(1), own(0.2)], "paid")).toBeUndefined()
  })

  test("counts whose verdicts are whose, but no equal answers, and says nothing of the last judge that was not asked", () => {
    const report = ladderReport(
      [given(0.9), given(0.1), own(0.7), own(0.5, false), { ...given(1), earlier: "middle" }],
      "paid",
    )
    expect(report).toEqual({ judges: { cheap: 2, middle: 1, paid: 1 }, audited: 0, agreement: null, last: null })
    expect(ladderReport([given(0.9, 1), own(0.7)], "paid")).toMatchObject({ audited: 1, agreement: 1, last: null })
  })

  test("where all is audited, the last judge's rate is its own mean", () => {
    const five = [given(0.9, 1), given(0.9, 0), given(0.1, 0), own(1), own(0.5, false)]
    const report = ladderReport(Array.from({ length: 10 }, () => five).flat(), "paid")!
    expect(report.agreement).toBeCloseTo(2 / 3, 12)
    expect(report.last!.win_rate).toBeCloseTo((100 * 2.5) / 5, 9)
  })

  test("a draw of the last judge is half an agreement, on either side", () => {
    expect(ladderReport([given(0.9, 0.5), given(0.1, 0.5), given(0.1, 0)], "paid")!.agreement).toBeCloseTo(2 / 3, 12)
  })

  test("thirty audited pairs are enough for a rate; 29 are not, nor any number of verdicts that are all alike", () => {
    const audited = (...counts: readonly [ones: number, noughts: number]) =>
      counts.flatMap((count, side) => Array.from({ length: count }, () => given(0.9, 1 - side)))
    const lastOf = (given: readonly LadderVerdict[]) => ladderReport([...given, own(1), own(0)], "paid")!.last
    expect(lastOf(audited(15, 15))).toMatchObject({ win_rate: expect.closeTo(50, 9) })
    expect(lastOf(audited(15, 14))).toBeNull()
    expect(lastOf(audited(60, 0))).toBeNull()
  })

  // By hand: own 0.5 with s² 0.1786 of 15, audited 0.75 with s² 0.1935 of 32; t(31) 2.0395, t(46) 2.0129.
  test("the interval is of both strata and of their sizes, each with its own quantile", () => {
    const times = <A>(count: number, of: readonly A[]) => Array.from({ length: count }, () => of).flat()
    const verdicts = [
      ...times(5, [own(1), own(0), own(0.5)]),
      ...times(8, [given(0.9, 1), given(0.9, 1), given(0.1, 0), given(0.9, 1)]),
    ]
    const { win_rate, low, high } = ladderReport(verdicts, "paid")!.last!
    const near = (percent: number) => expect.closeTo(percent, 3)
    expect([win_rate, low, high]).toEqual([near(67.0213), near(53.6997), near(80.3429)])
  })

  // A cheap judge that is sure, and too often for the longer answer: where it is decided, the last one would say "better" less often than it does.
  test("the last judge's interval holds its own rate where the ladder's own rate does not", () => {
    const random = new SeededRandom(7, "ladder")
    const [rounds, pairs, truth] = [400, 300, 0.5 * 0.5 + 0.5 * 0.55]
    let [held, ladderHeld] = [0, 0]
    for (let round = 0; round < rounds; round++) {
      const verdicts = Array.from({ length: pairs }, (): LadderVerdict => {
        if (random.unit() < 0.5) return own(random.unit() < 0.5 ? 1 : 0)
        const value = random.unit() < 0.8 ? 0.9 : 0.1
        const last = random.unit() < (value > 0.5 ? 0.65 : 0.15) ? 1 : 0
        return given(value, random.unit() < 0.4 ? last : undefined)
      })
      const { low, high } = ladderReport(verdicts, "paid")!.last!
      held += Number(low <= 100 * truth && 100 * truth <= high)
      const mean = verdicts.reduce((sum, { value }) => sum + value, 0) / pairs
      const deviation = Math.sqrt(verdicts.reduce((sum, { value }) => sum + (value - mean) ** 2, 0) / pairs / pairs)
      ladderHeld += Number(Math.abs(mean - truth) < 1.96 * deviation)
    }
    expect(held / rounds).toBeGreaterThan(0.93)
    expect(held / rounds).toBeLessThan(0.985)
    expect(ladderHeld / rounds).toBeLessThan(0.2)
  })
})
