import { describe, expect, test } from "vitest"
import { lengthControlled } from "#shared/evaluation/alpaca-eval/length-controlled.ts"
import { rawWinRate } from "#shared/evaluation/alpaca-eval/raw-win-rate.ts"
import { winRateIntervals } from "#shared/evaluation/alpaca-eval/refit-bootstrap.ts"
import { TooLittleJudged } from "#shared/evaluation/evaluation-error.ts"
import { isFullRun } from "#test/full-run.ts"
import { referenceLengthControlled } from "#test/reference/alpaca-eval.ts"
import { seededRandom } from "#test/reference/random-decoder.ts"
import { annotationsOf, referenceSetOf, syntheticSet } from "./synthetic-set.ts"

const set = syntheticSet(5, 80)
const data = { ...set, annotations: annotationsOf(set) }
const C = 21.54434690031882
const fitted = lengthControlled(data, C)
const drawn = (rounds: number, seed: number) => winRateIntervals(data, fitted, { rounds, random: seededRandom(seed) })
const width = ([low, high]: readonly [number, number]) => high - low

describe("intervals by drawing instructions again", () => {
  test("one round is the slow twin's fit of the pairs that were drawn, beside the gamed rows as they are", () => {
    const random = seededRandom(11)
    const pairs = data.annotations.map(() => data.annotations[Math.floor(random() * data.annotations.length)]!)
    const slow = referenceLengthControlled({ ...referenceSetOf(set), pairs }, C)
    const { raw, lengthControlled: controlled } = drawn(1, 11)
    expect(raw[0]).toBeCloseTo(rawWinRate(pairs).winRate, 9)
    expect(controlled![0]).toBeCloseTo(slow.winRate, 6)
    expect(controlled![1]).toBe(controlled![0])
  })

  test("one seed gives one interval, another seed another", () => {
    expect(drawn(40, 3)).toEqual(drawn(40, 3))
    expect(drawn(40, 3)).not.toEqual(drawn(40, 4))
  })

  test("the raw one is as wide as its standard error says", () => {
    const { raw } = drawn(800, 1)
    const { winRate, standardError } = rawWinRate(data.annotations)
    expect(Math.abs(width(raw) / (2 * 1.96 * standardError) - 1)).toBeLessThan(0.1)
    expect(Math.abs((raw[0] + raw[1]) / 2 - winRate)).toBeLessThan(0.1 * width(raw))
  })

  test("the controlled one holds the win rate, and is wider than the spread over instructions that is published", () => {
    const { lengthControlled: controlled } = drawn(400, 1)
    expect(controlled![0]).toBeLessThan(fitted.winRate)
    expect(controlled![1]).toBeGreaterThan(fitted.winRate)
    expect(width(controlled!)).toBeGreaterThan(1.2 * 2 * 1.96 * fitted.standardError)
  })
})

const SETS = isFullRun ? 200 : 25

test(`of ${SETS} sets of 60 instructions nine intervals of ten hold what 3,000 instructions say`, () => {
  const skill = -0.4
  const withoutGamed = (seed: number, instructions: number) => ({
    annotations: annotationsOf(syntheticSet(seed, instructions, skill)),
    gamed: [],
    difficulties: undefined,
  })
  const many = withoutGamed(1000, 3000)
  const truth = { raw: rawWinRate(many.annotations).winRate, controlled: lengthControlled(many, C).winRate }
  const held = { raw: 0, controlled: 0 }
  for (let seed = 0; seed < SETS; seed++) {
    const own = withoutGamed(seed, 60)
    const { raw, lengthControlled: controlled } = winRateIntervals(own, lengthControlled(own, C), {
      rounds: 100,
      random: seededRandom(seed),
    })
    if (raw[0] <= truth.raw && truth.raw <= raw[1]) held.raw++
    if (controlled![0] <= truth.controlled && truth.controlled <= controlled![1]) held.controlled++
  }
  expect(held.raw / SETS).toBeGreaterThanOrEqual(0.88)
  expect(held.controlled / SETS).toBeGreaterThanOrEqual(0.88)
})

test("a draw in which length cannot be told from quality is drawn again; where all are, it is refused", () => {
  const pair = (instruction: number, preference: number | undefined, modelLength: number) => ({
    instruction,
    preference,
    baselineLength: 10,
    modelLength,
  })
  const two = { annotations: [pair(0, 1.2, 7), pair(1, 1.9, 12)], gamed: [], difficulties: undefined }
  const intervals = winRateIntervals(two, lengthControlled(two, 1), { rounds: 200, random: seededRandom(1) })
  // Draws of one pair twice were 20 and 90 %.
  expect(intervals.raw.map((value) => Number(value.toFixed(9)))).toEqual([55, 55])
  const stuck = { rounds: 1, random: () => 0 }
  expect(() => winRateIntervals(two, lengthControlled(two, 1), stuck)).toThrow(TooLittleJudged)
  expect(() => winRateIntervals(two, lengthControlled(two, 1), stuck)).toThrow(/of 2 pairs .* --bootstrap 0/)
})

test("the baseline against itself has no spread", () => {
  const itself = {
    ...data,
    annotations: data.annotations.map((pair) => ({ ...pair, preference: 1.5, modelLength: pair.baselineLength })),
  }
  expect(winRateIntervals(itself, lengthControlled(itself), { rounds: 5, random: seededRandom(1) })).toEqual({
    raw: [50, 50],
    lengthControlled: [50, 50],
  })
})
