// The committed proof: what the product computes is what the slow twin computes, and each usual mistake would be seen by that comparison.
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { codePointLength } from "#shared/evaluation/alpaca-eval/annotation.ts"
import { foreseenBetween, isFarFromRaw, lengthControlled } from "#shared/evaluation/alpaca-eval/length-controlled.ts"
import { lengthRows } from "#shared/evaluation/alpaca-eval/length-rows.ts"
import { type Mistakes, referenceLengthControlled } from "#test/reference/alpaca-eval.ts"
import { annotationsOf, referenceSetOf, syntheticSet } from "./synthetic-set.ts"

const C = 21.54434690031882
/** Per cent: how far two solvers may be apart. */
const TOLERANCE = 1e-6

const dataOf = (set: ReturnType<typeof syntheticSet>) => ({ ...set, annotations: annotationsOf(set) })

const set = syntheticSet(1)
const data = dataOf(set)
const computed = lengthControlled(data, C)

describe("the length-controlled win rate is the slow twin's", () => {
  test.each([
    [1, 60, 2.782559402207126],
    [1, 60, C],
    [2, 60, 1e4],
    [3, 40, 0.359381366],
    [4, 25, 166.81005372],
  ])("seed %i, %i instructions, C = %f", (seed, instructions, regularisation) => {
    const own = syntheticSet(seed, instructions)
    const { winRate, standardError, weights } = lengthControlled(dataOf(own), regularisation)
    const slow = referenceLengthControlled(referenceSetOf(own), regularisation)
    expect(Math.abs(winRate - slow.winRate)).toBeLessThan(TOLERANCE)
    expect(Math.abs(standardError - slow.standardError)).toBeLessThan(TOLERANCE)
    const fitted = [weights.length, weights.difficulty, weights.model]
    for (const [column, value] of slow.coefficients.entries()) expect(fitted[column]).toBeCloseTo(value, 7)
  })

  test("without difficulties, without gamed rows, and without both", () => {
    for (const less of [{ difficulties: undefined }, { gamed: [] }, { difficulties: undefined, gamed: [] }]) {
      const { winRate } = lengthControlled({ ...data, ...less }, C)
      const slow = referenceLengthControlled({ ...referenceSetOf(set), ...less }, C)
      expect(Math.abs(winRate - slow.winRate)).toBeLessThan(TOLERANCE)
      expect(Math.abs(winRate - computed.winRate)).toBeGreaterThan(0.5)
    }
  })

  test("pairs without a verdict count for the deviation and in the mean, and not in the fit", () => {
    const pairs = data.annotations.map((pair) =>
      pair.instruction % 7 === 3 ? { ...pair, preference: undefined } : pair,
    )
    const { winRate } = lengthControlled({ ...data, annotations: pairs }, C)
    const slow = referenceLengthControlled({ ...referenceSetOf(set), pairs }, C)
    expect(Math.abs(winRate - slow.winRate)).toBeLessThan(TOLERANCE)
    const judged = pairs.filter(({ preference }) => preference !== undefined)
    expect(Math.abs(winRate - lengthControlled({ ...data, annotations: judged }, C).winRate)).toBeGreaterThan(0.05)
  })
})

describe("each usual mistake moves it beyond the tolerance", () => {
  const mistakes: [string, Mistakes, least: number][] = [
    ["deviation with n in place of n − 1", { ddof: 0 }, 0.005],
    ["lengths centred", { isCentred: true }, 5],
    ["no tanh", { hasNoTanh: true }, 0.5],
    ["gamed rows of weight 0.2", { gamedWeight: 0.2 }, 0.1],
    ["gamed rows of weight 1", { gamedWeight: 1 }, 0.5],
    ["no gamed rows", { gamedWeight: 0 }, 0.5],
    ["L2 in place of L1", { penalty: "L2" }, 0.01],
    ["no penalty", { penalty: "none" }, 0.01],
    ["the model's own lengths the other way round", { flipsOwnLengths: true }, 5],
    ["verdicts rounded", { binarises: true }, 1],
    ["σ of the mean in place of the mean of σ", { averagesFirst: true }, 1],
    ["foreseen at the answers' own lengths", { predictsAtOwnLengths: true }, 5],
    ["no difficulty", { difficulty: "none" }, 0.5],
    ["difficulties in the wrong order", { difficulty: "reversed" }, 0.5],
  ]

  test.each(mistakes)("%s", (_, mistake, least) => {
    const mistaken = referenceLengthControlled(referenceSetOf(set), C, mistake)
    expect(Math.abs(mistaken.winRate - computed.winRate)).toBeGreaterThan(least)
  })

  test.each([
    ["UTF-16 units", (text: string) => text.length],
    ["bytes of UTF-8", (text: string) => new TextEncoder().encode(text).length],
    ["words", (text: string) => text.split(" ").length],
  ])("lengths in %s", (_, lengthOf) => {
    const mistaken = referenceLengthControlled(referenceSetOf(set, lengthOf), C)
    expect(Math.abs(mistaken.winRate - computed.winRate)).toBeGreaterThan(0.1)
    expect(referenceLengthControlled(referenceSetOf(set, codePointLength), C).winRate).toBeCloseTo(computed.winRate, 6)
  })
})

test("by hand: no length differs, four verdicts, and a penalty: 4·(σ(c) − 0.8) + 0.4 = 0", () => {
  const annotations = [1.7, 1.9, 1.8, 1.8].map((preference, instruction) => ({
    instruction,
    preference,
    baselineLength: 9,
    modelLength: 9,
  }))
  const { winRate, standardError, weights } = lengthControlled({ annotations, gamed: [], difficulties: undefined }, 2.5)
  expect(winRate).toBeCloseTo(70, 9)
  expect(standardError).toBeCloseTo(0, 9)
  expect(weights).toEqual({ length: 0, difficulty: 0, model: expect.closeTo(Math.log(7 / 3), 9) })
})

test("gamed rows: each of its models has a deviation of its own, weight 0.1 and no own column", () => {
  const pairs = [
    ["verbose", 10, 20],
    ["verbose", 10, 30],
    ["concise", 10, 9],
    ["concise", 10, 5],
  ] as const
  const gamed = pairs.map(([gamedModel, baselineLength, modelLength], index) => ({
    gamedModel,
    instruction: index % 2,
    baselineLength,
    modelLength,
    preference: 0.25,
  }))
  const { features, width, targets, weights } = lengthRows({ annotations: [], gamed, difficulties: [0.5, -2] })
  // Deviations: √50 of −10 and −20; √8 of 1 and 5.
  const lengths = [-10 / Math.sqrt(50), -20 / Math.sqrt(50), 1 / Math.sqrt(8), 5 / Math.sqrt(8)].map(Math.tanh)
  const expected = lengths.flatMap((length, index) => [length, index % 2 === 0 ? 0.5 : -2, 0])
  expect(width).toBe(3)
  for (const [at, value] of expected.entries()) expect(features[at]).toBeCloseTo(value, 14)
  expect([...targets, ...weights]).toEqual([0.25, 0.25, 0.25, 0.25, 0.1, 0.1, 0.1, 0.1])
})

describe("the baseline against itself", () => {
  const itself = data.annotations.map((pair) => ({ ...pair, preference: 1.5, modelLength: pair.baselineLength }))

  test("is 50 by construction, where a fit beside gamed rows would not be", () => {
    expect(lengthControlled({ ...data, annotations: itself })).toEqual({
      winRate: 50,
      standardError: 0,
      weights: { length: 0, difficulty: 0, model: 0 },
      regularisation: undefined,
    })
    const slow = referenceLengthControlled(
      {
        ...referenceSetOf(set),
        pairs: itself.map((pair, index) => ({ ...pair, modelLength: pair.modelLength + (index % 2) * 1e-9 })),
      },
      C,
    )
    expect(Math.abs(slow.winRate - 50)).toBeGreaterThan(0.1)
  })

  test("is not assumed where one verdict or one length says otherwise", () => {
    const [first, ...others] = itself
    const preferred = [{ ...first!, preference: 1.6 }, ...others]
    const longer = [{ ...first!, modelLength: first!.modelLength + 1 }, ...others]
    expect(lengthControlled({ ...data, annotations: preferred }, C).regularisation).toBe(C)
    expect(lengthControlled({ ...data, annotations: longer }, C).regularisation).toBe(C)
  })
})

describe("foreseen between two models without a judge", () => {
  const weight = fc.double({ min: -3, max: 3, noNaN: true })
  const weights = fc.record({ length: weight, difficulty: weight, model: weight })
  const none = { length: 0, difficulty: 0, model: 0 }

  test("by hand: log-odds ln 3 and ln 2 − ln 3 on two instructions are 75 % and 40 %", () => {
    const one = { length: 5, difficulty: Math.log(2 / 9), model: Math.log(3) + 1 }
    expect(foreseenBetween([0, 1], one, { length: -7, difficulty: 0, model: 1 }, [0, 1])).toBeCloseTo(57.5, 12)
  })

  test("exchanged, it is what is left of 100; against the baseline's zeros, the length-controlled win rate", () => {
    fc.assert(
      fc.property(weights, weights, (one, other) => {
        const between = foreseenBetween([0, 1, 2], one, other, [0, -1, 2])
        expect(foreseenBetween([0, 1, 2], other, one, [0, -1, 2])).toBeCloseTo(100 - between, 10)
      }),
    )
    const instructions = data.annotations.map(({ instruction }) => instruction)
    expect(foreseenBetween(instructions, computed.weights, none, set.difficulties)).toBe(computed.winRate)
  })
})

test.each([
  [20, 10.1, false],
  [20, 9.9, true],
  [60, 45.1, false],
  [60, 44.9, true],
  [66, 50, true],
  [20, 34.9, false],
  [20, 35.1, true],
  [20, 40.1, true],
  [80, 89.9, false],
  [80, 90.1, true],
])("raw %f, controlled %f: told as far apart is %s", (raw, controlled, isFar) => {
  expect(isFarFromRaw(controlled, raw)).toBe(isFar)
})
