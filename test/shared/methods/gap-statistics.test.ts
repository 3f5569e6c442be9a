// The running statistics: bias correction, floor, single gaps, non-finite gaps, and the authors' mode with its failures by name.
import { describe, expect, test } from "vitest"
import {
  adaptiveNormaliser,
  DegenerateGapStatistics,
  initialGapStatistics,
  normaliseStep,
  updateAdaptive,
} from "#shared/methods/gap-statistics.ts"
import { gapOf } from "#shared/methods/pair-log-probs.ts"
import { stepLoss } from "#shared/methods/step-loss.ts"
import { goldenOptions, goldenPairs } from "./golden.ts"

describe("adaptive", () => {
  test("constant observations are returned unchanged from the first step on", () => {
    let statistics = initialGapStatistics
    for (let step = 0; step < 30; step++) {
      statistics = updateAdaptive(statistics, [0.1, 0.3]).statistics
      const { mean, std } = adaptiveNormaliser(statistics)
      expect(mean).toBeCloseTo(0.2, 12)
      expect(std).toBeCloseTo(Math.sqrt(0.02), 12)
    }
  })

  test("the deviation has a floor of 1e-3 nats per token, or the configured one", () => {
    const { statistics } = updateAdaptive(initialGapStatistics, [0.5, 0.5, 0.5])
    expect(adaptiveNormaliser(statistics)).toEqual({ mean: expect.closeTo(0.5, 12), std: 1e-3 })
    expect(adaptiveNormaliser(statistics, 0.25).std).toBe(0.25)
  })

  test("a single gap moves the mean and reuses the running deviation", () => {
    const before = updateAdaptive(initialGapStatistics, [0.1, 0.3]).statistics
    const after = updateAdaptive(before, [0.9]).statistics
    expect(adaptiveNormaliser(after).std).toBe(adaptiveNormaliser(before).std)
    expect(adaptiveNormaliser(after).mean).toBeCloseTo((0.09 * 0.2 + 0.1 * 0.9) / 0.19, 12)
  })

  test("a first step of one pair has z = 0", () => {
    expect(normaliseStep(initialGapStatistics, [0.7], { mode: "adaptive" }).normalised).toEqual([0])
  })

  test("gaps that are not finite are left out, counted, and get z = 0", () => {
    const step = normaliseStep(initialGapStatistics, [0.1, Number.NaN, 0.3, Number.POSITIVE_INFINITY], {
      mode: "adaptive",
    })
    const clean = normaliseStep(initialGapStatistics, [0.1, 0.3], { mode: "adaptive" })
    expect(step.excluded).toBe(2)
    expect(step.statistics).toEqual(clean.statistics)
    expect(step.normalised).toEqual([clean.normalised[0], 0, clean.normalised[1], 0])
  })

  test("a step without a usable gap changes nothing", () => {
    expect(updateAdaptive(initialGapStatistics, [Number.NaN])).toEqual({
      statistics: initialGapStatistics,
      excluded: 1,
    })
  })
})

test("lagged statistics normalise by what was known before the step, and by nothing at the first", () => {
  const first = normaliseStep(initialGapStatistics, [0.1, 0.3], { mode: "lagged" })
  expect(first.normalised).toEqual([0, 0])
  const second = normaliseStep(first.statistics, [0.2], { mode: "lagged" })
  expect(second.normalised[0]).toBeCloseTo(0, 12)
  expect(normaliseStep(first.statistics, [0.4], { mode: "lagged" }).normalised[0]).toBeCloseTo(0.2 / Math.sqrt(0.02), 9)
})

describe("official", () => {
  test("first gaps that differ by rounding alone are no gaps", () => {
    const noise = () => normaliseStep(initialGapStatistics, [1e-7, -2e-7, 0, 3e-8], { mode: "official" })
    expect(noise).toThrow(DegenerateGapStatistics)
    expect(noise).toThrow(/policy = reference/)
  })

  test("a gap that is not finite loses the step and leaves the statistics as they were, as a skipped step does", () => {
    const before = normaliseStep(initialGapStatistics, [0.1, 0.3], { mode: "official" }).statistics
    for (const gap of [Number.NaN, Number.NEGATIVE_INFINITY]) {
      const after = normaliseStep(before, [0.1, gap], { mode: "official" })
      expect(after.normalised).toEqual([Number.NaN, Number.NaN])
      expect(after.statistics).toEqual(before)
      expect(after.excluded).toBe(1)
    }
  })

  test("policy = reference is 0/0 and fails by name instead of giving NaN", () => {
    const same = goldenPairs.map((pair) => ({
      ...pair,
      referenceChosen: pair.policyChosen,
      referenceRejected: pair.policyRejected,
    }))
    expect(() => stepLoss(same, initialGapStatistics, { ...goldenOptions, statistics: "official" })).toThrow(
      DegenerateGapStatistics,
    )
  })

  test("a micro-batch of one pair fails by name", () => {
    expect(() => normaliseStep(initialGapStatistics, [0.1], { mode: "official" })).toThrow(/single pair/)
  })

  test("updates go micro-batch by micro-batch, each seeing itself and its predecessors", () => {
    const gaps = goldenPairs.map((pair) => gapOf(pair)!)
    const grouped = normaliseStep(initialGapStatistics, [...gaps, ...gaps], { mode: "official", officialGroupPairs: 4 })
    const first = normaliseStep(initialGapStatistics, gaps, { mode: "official", officialGroupPairs: 4 })
    const second = normaliseStep(first.statistics, gaps, { mode: "official", officialGroupPairs: 4 })
    expect(grouped.normalised).toEqual([...first.normalised, ...second.normalised])
    expect(grouped.statistics).toEqual(second.statistics)
  })
})
