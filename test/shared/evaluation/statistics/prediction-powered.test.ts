// A judge joined with people's votes: hand-worked, unbiased, covering, narrower with a good judge and never wider with a bad one.
import fc from "fast-check"
import { expect, test } from "vitest"
import { TooLittleJudged } from "#shared/evaluation/evaluation-error.ts"
import { type DoublyJudged, predictionPoweredMean } from "#shared/evaluation/statistics/prediction-powered.ts"
import { isFullRun } from "#test/full-run.ts"
import { uniformSource } from "#test/reference/random.ts"

test("hand-worked: four people, a judge that is a half too kind, and eight answers that the judge alone saw", () => {
  const labelled = [
    { human: 0, judge: 0.5 },
    { human: 0.5, judge: 1 },
    { human: 0, judge: 0.5 },
    { human: 0.5, judge: 1 },
  ]
  const alone = [0.5, 1, 1, 1, 0.5, 1, 1, 1]
  const { mean, judgeWeight, humanOnly, labelled: count, judgedAlone } = predictionPoweredMean(labelled, alone)
  // Var(judge) = Cov = 1/12 over the four, 3/56 over the eight: λ = (1/48) / (1/48 + 3/448) = 28/37.
  expect(judgeWeight).toBeCloseTo(28 / 37, 12)
  expect(mean).toBeCloseTo(0.25 + (28 / 37) * (0.875 - 0.75), 12)
  expect(humanOnly.mean).toBe(0.25)
  expect([count, judgedAlone]).toEqual([4, 8])
  // t = 3.1824 with three degrees, s = 1/√12
  expect(humanOnly.high - humanOnly.mean).toBeCloseTo(3.1824 / Math.sqrt(48), 4)
})

const share = fc.double({ min: 0, max: 1, noNaN: true })
const people = fc.array(fc.record({ human: share, judge: share }), { minLength: 2, maxLength: 30 })

test("law: whatever the judge says, the interval is not wider than people's alone, and its weight is from 0 to 1", () => {
  fc.assert(
    fc.property(people, fc.array(share, { maxLength: 60 }), (labelled, alone) => {
      const { low, high, judgeWeight, humanOnly } = predictionPoweredMean(labelled, alone)
      expect(high - low).toBeLessThanOrEqual((humanOnly.high - humanOnly.low) * (1 + 1e-9) + 1e-12)
      expect(judgeWeight).toBeGreaterThanOrEqual(0)
      expect(judgeWeight).toBeLessThanOrEqual(1)
    }),
  )
})

test("law: a judge that is off by a constant changes nothing", () => {
  fc.assert(
    fc.property(people, fc.array(share, { minLength: 2, maxLength: 60 }), share, (labelled, alone, off) => {
      const shifted = labelled.map(({ human, judge }) => ({ human, judge: judge + off }))
      const mean = predictionPoweredMean(labelled, alone)
      const other = predictionPoweredMean(
        shifted,
        alone.map((each) => each + off),
      )
      expect(other.mean).toBeCloseTo(mean.mean, 6)
      expect(other.high).toBeCloseTo(mean.high, 6)
    }),
  )
})

test("without answers that the judge alone saw, and with a judge that always says the same, people stand alone", () => {
  const labelled = [
    { human: 1, judge: 0.5 },
    { human: 0, judge: 0.5 },
    { human: 1, judge: 0.5 },
  ]
  for (const alone of [[], [0.9], [0.5, 0.5]]) {
    const { mean, low, high, judgeWeight, humanOnly } = predictionPoweredMean(labelled, alone)
    expect(judgeWeight).toBe(0)
    expect({ mean, low, high }).toEqual(humanOnly)
  }
  expect(() => predictionPoweredMean([{ human: 1, judge: 1 }], [])).toThrow(TooLittleJudged)
  // Two answers that the judge alone saw have a variance, and are heeded.
  const agreeing = [
    { human: 1, judge: 0.9 },
    { human: 0, judge: 0.1 },
    { human: 1, judge: 0.8 },
  ]
  expect(predictionPoweredMean(agreeing, [0.2, 0.8]).judgeWeight).toBeGreaterThan(0.2)
})

/** People say 1 with chance 0.4; the judge agrees with chance `agreement`, and is too kind by 0.15 on average. */
function drawn(uniform: () => number, agreement: number, labelled: number, alone: number) {
  const one = (): DoublyJudged => {
    const human = uniform() < 0.4 ? 1 : 0
    const judge = uniform() < agreement ? human : uniform() < 0.4 ? 1 : 0
    return { human, judge: Math.min(1, judge + 0.3 * uniform()) }
  }
  return predictionPoweredMean(
    Array.from({ length: labelled }, one),
    Array.from({ length: alone }, () => one().judge),
  )
}

test.each([
  ["a good judge", 0.9, 0.75],
  ["a judge of κ 0", 0, 1.0],
])("%s: unbiased, covers 93 in 100 times or more, and as narrow as it may be", (_, agreement, narrower) => {
  const uniform = uniformSource(31)
  const runs = isFullRun ? 4000 : 800
  let [sum, covered, width, humanWidth] = [0, 0, 0, 0]
  for (let run = 0; run < runs; run++) {
    const { mean, low, high, humanOnly } = drawn(uniform, agreement, 80, 800)
    sum += mean
    covered += low <= 0.4 && high >= 0.4 ? 1 : 0
    width += high - low
    humanWidth += humanOnly.high - humanOnly.low
  }
  expect(Math.abs(sum / runs - 0.4)).toBeLessThan(isFullRun ? 0.004 : 0.008)
  expect(covered / runs).toBeGreaterThan(0.93)
  expect(width / humanWidth).toBeLessThanOrEqual(narrower)
  if (agreement === 0) expect(width / humanWidth).toBeGreaterThan(0.95)
})
