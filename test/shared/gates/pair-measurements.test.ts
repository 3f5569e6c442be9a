// What held-out log-probs tell: by one estimator of drift, by subgroups, by length.
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { measureEvaluation, measureLeads } from "#shared/gates/measure-evaluation.ts"
import type { Measured } from "#shared/gates/measurements.ts"
import {
  type ComparedPairs,
  chosenChange,
  driftOf,
  gainOverBase,
  k3,
  ofOldPairs,
  shortChosenGain,
  worstGain,
} from "#shared/gates/pair-measurements.ts"
import type { ScoredPair } from "#shared/methods/accuracy.ts"

const score = (mean: number, count = 4) => ({ sum: mean * count, count })
const pair = (chosen: number, rejected: number, counts: readonly [number, number] = [4, 4]): ScoredPair => ({
  ...{ chosen: score(chosen, counts[0]), rejected: score(rejected, counts[1]) },
})
const [right, wrong] = [pair(-1, -2), pair(-2, -1)]
const repeat = <Item>(count: number, item: Item): Item[] => Array.from({ length: count }, () => item)

describe("drift", () => {
  it("per token and per response is one sum, divided by tokens and by responses", () => {
    const base = [pair(-1, -1, [4, 2])]
    const policy = [pair(-0.5, -2, [4, 2])]
    const total = 4 * (Math.exp(0.5) - 1.5) + 2 * (Math.exp(-1) - 1 + 1)
    expect(driftOf({ policy, base })).toEqual({
      perToken: expect.closeTo(total / 6, 12),
      perResponse: expect.closeTo(total / 2, 12),
    })
  })

  it("is never negative, 0 only where nothing changed, and passes over what is not finite", () => {
    const logRatio = fc.double({ min: -30, max: 30, noNaN: true })
    fc.assert(
      fc.property(logRatio, (d) => {
        expect(k3(d)).toBeGreaterThanOrEqual(0)
      }),
    )
    expect(driftOf({ policy: [right], base: [right] })).toEqual({ perToken: 0, perResponse: 0 })
    const broken = { chosen: score(Number.NaN), rejected: score(-1) }
    expect(driftOf({ policy: [broken], base: [pair(-1, -1)] })).toEqual({ perToken: 0, perResponse: 0 })
    expect(driftOf({ policy: [pair(Number.NaN, Number.NaN)], base: [right] })).toBeUndefined()
    expect(driftOf({ policy: [pair(1000, 1000)], base: [right] })!.perToken).toBeLessThanOrEqual(Number.MAX_VALUE)
  })
})

it("a gain is of paired differences, with Student's interval", () => {
  const pairs: ComparedPairs = { policy: [right, right, right, wrong], base: [wrong, right, wrong, wrong] }
  expect(gainOverBase(pairs)).toEqual({
    ...{ value: 0.5, of: "4 held-out pairs" },
    low: expect.closeTo(0.5 - 3.1824 * Math.sqrt(1 / 3 / 4), 4),
    high: expect.closeTo(0.5 + 3.1824 * Math.sqrt(1 / 3 / 4), 4),
  })
  expect(gainOverBase({ policy: [], base: [] })).toBeUndefined()
})

it("a pair with a log-prob that is no number is wrong", () => {
  expect(gainOverBase({ policy: [pair(Number.NaN, -1)], base: [right] })).toMatchObject({ value: -1 })
})

it("the worst group is named, groups of fewer than twenty pairs and pairs of none are passed over", () => {
  const policy = [...repeat(20, right), ...repeat(20, wrong), ...repeat(19, wrong), wrong]
  const base = [...repeat(20, wrong), ...repeat(20, right), ...repeat(19, right), right]
  const groups = [...repeat(20, "a"), ...repeat(20, "b"), ...repeat(19, "c"), undefined]
  expect(worstGain({ policy, base }, groups)).toEqual({
    ...{ value: -1, low: -1, high: -1, of: '20 pairs of "b", the worst of 2' },
  })
  expect(worstGain({ policy, base }, repeat(60, undefined))).toBeUndefined()
})

describe("leads over production", () => {
  const outcome = fc.constantFrom(right, wrong, pair(-1, -1), pair(Number.NaN, -1))
  const compared = fc.array(
    fc.tuple(
      outcome,
      outcome,
      fc.constantFrom("a", "b", undefined),
      fc.constantFrom("latin", "east-asian"),
      fc.boolean(),
    ),
    { minLength: 1, maxLength: 120 },
  )
  type Row = readonly [ScoredPair, ScoredPair, string | undefined, "latin" | "east-asian", boolean]
  const leads = (rows: readonly Row[]) =>
    measureLeads({
      ...{ policy: rows.map(([policy]) => policy), base: rows.map(([, production]) => production) },
      ...{ settings: rows.map(([, , setting]) => setting), scripts: rows.map(([, , , script]) => script) },
      isCounted: rows.map(([, , , , isCounted]) => isCounted),
    })
  const numberIn = (measured: Measured | undefined) => (measured && "value" in measured ? measured.value : undefined)

  it("are those over the base where production is the base, and nothing is led by over itself", () => {
    fc.assert(
      fc.property(compared, (rows) => {
        const own = leads(rows.map(([policy, , ...rest]): Row => [policy, policy, ...rest]))
        for (const measured of Object.values(own)) expect(measured).toMatchObject({ value: 0 })
        const pairs = { policy: rows.map(([policy]) => policy), base: rows.map(([, production]) => production) }
        const behind = { settings: rows.map(([, , setting]) => setting), scripts: rows.map(([, , , script]) => script) }
        const gains = measureEvaluation({
          ...pairs,
          ...behind,
          isCounted: rows.map(([, , , , isCounted]) => isCounted),
        })
        const found = leads(rows)
        expect(found["lead-over-production"]).toEqual(gains["gain-over-base"])
        expect(found["worst-setting-lead"]).toEqual(gains["worst-setting-gain"])
        expect(found["worst-language-lead"]).toEqual(gains["worst-language-gain"])
      }),
      { numRuns: 50 },
    )
  })

  it("turn their sign where the two change places, and the worst is no better than the whole", () => {
    const everywhere = compared.map((rows) => rows.map(([one, two, , script]): Row => [one, two, "all", script, true]))
    fc.assert(
      fc.property(everywhere, (rows) => {
        const [there, back] = [leads(rows), leads(rows.map(([one, two, ...rest]): Row => [two, one, ...rest]))]
        expect(numberIn(there["lead-over-production"])).toBeCloseTo(-numberIn(back["lead-over-production"])!, 12)
        if (rows.length < 20) expect(there["worst-setting-lead"]).toBeUndefined()
        else expect(numberIn(there["worst-setting-lead"])).toBeCloseTo(numberIn(there["lead-over-production"])!, 12)
      }),
      { numRuns: 50 },
    )
  })

  it("name the setting that loses, though the whole gains", () => {
    const rows = [
      ...repeat<Row>(60, [right, wrong, "a", "latin", true]),
      ...repeat<Row>(20, [wrong, right, "b", "latin", true]),
      ...repeat<Row>(20, [wrong, right, "c", "latin", false]),
    ]
    expect(leads(rows)).toMatchObject({
      "lead-over-production": { value: 0.5, of: "80 held-out pairs" },
      "worst-setting-lead": { value: -1, low: -1, high: -1, of: '20 pairs of "b", the worst of 2' },
      "worst-language-lead": { value: 0.5 },
    })
  })
})

it("forgetting shows in the pairs that earlier runs had, though the newer ones gain", () => {
  const changed = [pair(-3, -2), pair(-1, -2)] as const
  const policy = [...repeat(25, changed[0]), ...repeat(75, changed[1])]
  const pairs = { policy, base: [...repeat(25, right), ...repeat(75, wrong)], settings: repeat(100, undefined) }
  const among = (old: number, isCounted = repeat(100, true)) =>
    measureLeads({ ...pairs, isCounted, isOld: policy.map((_, index) => index < old) })
  const of = "25 held-out pairs that earlier runs had too"
  expect(among(25)).toEqual({
    "lead-over-production": expect.objectContaining({ value: 0.5 }),
    "old-pairs-lead": { value: -1, low: -1, high: -1, of },
    "old-pairs-change": { value: -2, low: -2, high: -2, of },
  })
  expect(
    measureEvaluation({ ...pairs, isCounted: repeat(100, true), isOld: policy.map((_, at) => at < 25) }),
  ).toMatchObject({
    "old-pairs-gain": { value: -1, of },
  })
  for (const few of [
    among(19),
    among(25, [...repeat(6, false), ...repeat(94, true)]),
    measureLeads({ ...pairs, isCounted: repeat(100, true) }),
  ])
    expect(Object.keys(few)).toEqual(["lead-over-production"])
})

it("twenty old pairs are enough, and what cannot be measured of them says why", () => {
  const isOld = repeat(20, true)
  const twenty = { policy: repeat(20, wrong), base: repeat(20, right) }
  expect(ofOldPairs(twenty, isOld, gainOverBase)).toMatchObject({ value: -1 })
  expect(ofOldPairs({ ...twenty, policy: repeat(20, pair(Number.NaN, -1)) }, isOld, chosenChange)).toEqual({
    missing: "not one chosen response has a finite log-prob",
  })
})

it("a taste for length shows where the chosen response is the shorter one", () => {
  const short = pair(-2, -1, [2, 6])
  const long = pair(-1, -2, [6, 2])
  const policy = [...repeat(30, short), ...repeat(30, long)]
  const base = [...repeat(30, pair(-1, -2, [2, 6])), ...repeat(30, pair(-2, -1, [6, 2]))]
  expect(gainOverBase({ policy, base })).toMatchObject({ value: 0 })
  expect(shortChosenGain({ policy, base })).toMatchObject({ value: -1 })
  expect(shortChosenGain({ policy: repeat(19, short), base: repeat(19, short) })).toBeUndefined()
})

it("displacement is the chosen responses' own log-prob, per token", () => {
  expect(chosenChange({ policy: [pair(-3, -9)], base: [pair(-1, -1)] })).toEqual({
    value: -2,
    of: "1 chosen responses",
  })
  expect(chosenChange({ policy: [pair(Number.NaN, -1)], base: [right] })).toHaveProperty("missing")
})
