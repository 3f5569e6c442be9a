// Evidence that may be looked at any time: hand-worked bets, its promise under the hypothesis beside the test that looks as it goes, and how soon it
// decides. Sizes are those of a run of 805 questions; a full run draws more of them.
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import {
  afterValue,
  type Betting,
  decideInOrder,
  decisionOf,
  logEvidence,
  startBetting,
} from "#shared/evaluation/statistics/betting.ts"
import { isFullRun } from "#test/full-run.ts"
import { uniformSource } from "#test/reference/random.ts"

const QUESTIONS = 805
const RUNS = isFullRun ? 2000 : 400

const flips = (uniform: () => number, count: number, share: number) =>
  Array.from({ length: count }, () => (uniform() < share ? 1 : 0))
const bettingAfter = (values: readonly number[], nullMean?: number): Betting =>
  values.reduce(afterValue, startBetting(nullMean))
const wealth = (betting: Betting) => [Math.exp(betting.logAbove), Math.exp(betting.logBelow)]

test("the first value meets no bet, the second one the bet that the first gave", () => {
  expect(wealth(bettingAfter([1]))).toEqual([1, 1])
  // μ = (½ + 1)/2 − ½ = ¼, v = (¼ + (1 − ½)²)/2 = ¼, λ = ¼ / (¼ + 1/16) = 0.8
  expect(wealth(bettingAfter([1, 1]))[0]).toBeCloseTo(1.4, 12)
  expect(wealth(bettingAfter([1, 0]))[0]).toBeCloseTo(0.6, 12)
  expect(wealth(bettingAfter([1, 0]))[1]).toBe(1)
  // Then μ = (½ + 2)/3 − ½ = ⅓, v = (¼ + ¼ + (1 − ¾)²)/3 = 3/16, λ = ⅓ / (3/16 + 1/9) = 48/43
  expect(wealth(bettingAfter([1, 1, 1]))[0]).toBeCloseTo(1.4 * (1 + 24 / 43), 12)
})

test("a bet is never above 1.5, and no value takes more than three quarters of the wealth", () => {
  const wins = Array<number>(500).fill(1)
  const grown = afterValue(bettingAfter(wins), 1).logAbove - bettingAfter(wins).logAbove
  expect(grown).toBeCloseTo(Math.log(1.75), 6)
  for (const nullMean of [0.02, 0.3, 0.5, 0.9]) {
    const [most, least] = [
      bettingAfter(wins, nullMean),
      bettingAfter(
        wins.map(() => 0),
        nullMean,
      ),
    ]
    expect(Math.exp(afterValue(most, 0).logAbove - most.logAbove)).toBeGreaterThanOrEqual(0.25 - 1e-12)
    expect(Math.exp(afterValue(least, 1).logBelow - least.logBelow)).toBeGreaterThanOrEqual(0.25 - 1e-12)
  }
})

test("law: the expected wealth after a value of the hypothesis's mean is the wealth before it", () => {
  const values = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 40 })
  const half = fc.double({ min: 0.05, max: 0.95, noNaN: true })
  fc.assert(
    fc.property(values, half, fc.double({ min: 0, max: 1, noNaN: true }), (before, nullMean, share) => {
      const betting = bettingAfter(before, nullMean)
      // Two values, one on each side, with the shares that make their mean the hypothesis's.
      const [low, high] = [nullMean * share, nullMean + (1 - nullMean) * 0.7]
      const chance = (nullMean - low) / (high - low)
      for (const side of ["above", "below"] as const) {
        const [down, up] = [low, high].map((value) => Math.exp(logEvidence(afterValue(betting, value), side)))
        const expected = (1 - chance) * down! + chance * up!
        expect(expected / Math.exp(logEvidence(betting, side))).toBeCloseTo(1, 9)
      }
    }),
  )
})

test("law: turned values turn the sides round, and a tie is worth nothing to either", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(0, 0.5, 1), { maxLength: 60 }), (values) => {
      const [straight, turned] = [bettingAfter(values), bettingAfter(values.map((value) => 1 - value))]
      expect(turned.logAbove).toBeCloseTo(straight.logBelow, 9)
      expect(turned.logBelow).toBeCloseTo(straight.logAbove, 9)
      expect(afterValue(straight, 0.5).logAbove).toBe(straight.logAbove)
    }),
  )
})

test("of equal checkpoints with a look after each of 805 questions at most 5 in 100 runs alarm; the usual test alarms 42 times", () => {
  const uniform = uniformSource(13)
  let alarms = 0
  let usualAlarms = 0
  for (let run = 0; run < RUNS; run++) {
    const values = flips(uniform, QUESTIONS, 0.5)
    if (decideInOrder(values, { alpha: 0.05 }).decision !== undefined) alarms++
    let wins = 0
    const isAlarmed = values.some((value, index) => {
      wins += value
      const count = index + 1
      return count >= 20 && Math.abs(wins / count - 0.5) / Math.sqrt(0.25 / count) > 1.96
    })
    if (isAlarmed) usualAlarms++
  }
  expect(alarms / RUNS).toBeLessThanOrEqual(0.05)
  expect(alarms).toBeGreaterThan(0)
  expect(usualAlarms / RUNS).toBeGreaterThan(0.35)
  expect(usualAlarms / RUNS).toBeLessThan(0.5)
})

test("a candidate at the very edge of what is allowed passes as no worse at most 5 times in 100", () => {
  const uniform = uniformSource(17)
  const passed = Array.from({ length: RUNS }, () => flips(uniform, 300, 0.4)).filter(
    (values) => decideInOrder(values, { alpha: 0.05, nullMean: 0.4, side: "above" }).decision === "above",
  )
  expect(passed.length / RUNS).toBeLessThanOrEqual(0.05)
  const good = Array.from({ length: 100 }, () => flips(uniform, 300, 0.55)).filter(
    (values) => decideInOrder(values, { alpha: 0.05, nullMean: 0.4, side: "above" }).decision === "above",
  )
  expect(good.length).toBeGreaterThan(95)
})

test.each([
  [0.6, 218],
  [0.65, 106],
  [0.7, 55],
  [0.8, 24],
])("at a win rate of %s the median run is decided after about %s questions, the right way", (share, known) => {
  const uniform = uniformSource(19)
  const decided = Array.from({ length: RUNS }, () => decideInOrder(flips(uniform, 4000, share), { alpha: 0.05 }))
  const looked = decided.map((each) => each.looked).toSorted((a, b) => a - b)
  expect(Math.abs(looked[RUNS / 2]! / known - 1)).toBeLessThan(0.2)
  expect(decided.filter(({ decision }) => decision === "above").length / RUNS).toBeGreaterThan(0.95)
})

describe("a decision", () => {
  test("is made where the evidence reaches 1/α, and not a value sooner", () => {
    const wins = Array<number>(30).fill(1)
    const { decision, looked } = decideInOrder(wins, { alpha: 0.05 })
    expect(decision).toBe("above")
    expect(decisionOf(bettingAfter(wins.slice(0, looked)), 0.05)).toBe("above")
    expect(decisionOf(bettingAfter(wins.slice(0, looked - 1)), 0.05)).toBeUndefined()
    const [above, below] = wealth(bettingAfter(wins.slice(0, looked)))
    expect((above! + below!) / 2).toBeGreaterThanOrEqual(20)
    expect(
      decideInOrder(
        wins.map(() => 0),
        { alpha: 0.05 },
      ),
    ).toMatchObject({ decision: "below", looked })
    // One side alone needs half of the wealth.
    expect(decideInOrder(wins, { alpha: 0.05, side: "above" }).looked).toBeLessThan(looked)
  })

  test("goes on from what was stored", () => {
    const values = flips(uniformSource(23), 100, 0.55)
    const stored = JSON.parse(JSON.stringify(bettingAfter(values.slice(0, 50)))) as Betting
    expect(values.slice(50).reduce(afterValue, stored)).toEqual(bettingAfter(values))
  })

  test("is refused on values and hypotheses that are no shares", () => {
    for (const value of [-0.01, 1.01, NaN]) expect(() => bettingAfter([value])).toThrow(RangeError)
    for (const mean of [0, 1, NaN]) expect(() => startBetting(mean)).toThrow(RangeError)
    expect(() => decisionOf(startBetting(), 0)).toThrow(RangeError)
  })

  test("very long runs neither overflow nor lose the evidence", () => {
    const betting = bettingAfter(Array<number>(5000).fill(1))
    expect(betting.logAbove).toBeGreaterThan(2500)
    expect(logEvidence(betting, "either")).toBeCloseTo(betting.logAbove - Math.LN2, 9)
  })
})
