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

  test("a single gap moves the mean, and the deviation by its distance from the mean before it", () => {
    const before = updateAdaptive(initialGapStatistics, [0.1, 0.3]).statistics
    const after = updateAdaptive(before, [0.9]).statistics
    expect(adaptiveNormaliser(after).mean).toBeCloseTo((0.09 * 0.2 + 0.1 * 0.9) / 0.19, 12)
    expect(adaptiveNormaliser(after).std).toBeCloseTo((0.09 * Math.sqrt(0.02) + 0.1 * (0.7 / Math.SQRT2)) / 0.19, 12)
  })

  test("one pair a step: z is 0 until there are two gaps, then as the f64 twin over all gaps has it", () => {
    const gaps = [0.07, -0.07, 0.1, -0.01, 0.25, -0.3, 0.02, 0.9]
    const z = singleSteps(gaps, "adaptive")
    expect(z[0]).toBe(0)
    expect(z[1]).toBeCloseTo((-0.9 / 1.9) * Math.SQRT2, 12)
    const golden = [0, -0.669891, 0.715579, -0.439552, 1.564588, -1.773713, 0.137428, 2.736075]
    golden.forEach((value, step) => {
      expect(z[step]).toBeCloseTo(value, 6)
      expect(z[step]).toBeCloseTo(twinOfSingleSteps(gaps.slice(0, step + 1)), 12)
    })
  })

  test("one pair a step: |z| stays below 10 whatever the gaps do, where a floor in place of a deviation gave ±460", () => {
    const jump = [...Array.from({ length: 300 }, (_, step) => 0.01 * Math.sin(step)), 5]
    expect(Math.max(...singleSteps(jump, "adaptive").map(Math.abs))).toBeLessThan(10)
    const apart = goldenPairs.map((pair, index) => ({ ...pair, policyChosen: { sum: 20 * index - 80, count: 20 } }))
    let statistics = initialGapStatistics
    for (const pair of apart) {
      const step = stepLoss([pair], statistics, goldenOptions)
      statistics = step.statistics
      expect(Math.abs(step.pairs[0]!.margin)).toBeLessThan(goldenOptions.gammaBetaRatio + 10 * goldenOptions.alpha)
      expect(step.loss).toBeLessThan(15)
    }
  })

  test("one pair a step, lagged: z waits for two gaps before the step", () => {
    const z = singleSteps([0.1, 0.3, 0.2, 0.4], "lagged")
    expect(z.slice(0, 2)).toEqual([0, 0])
    expect(z[2]).toBeCloseTo((0.2 - (0.9 * 0.1 + 0.3) / 1.9) / Math.sqrt(0.02), 12)
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

/** z of steps of one pair each. */
function singleSteps(gaps: readonly number[], mode: "adaptive" | "lagged"): number[] {
  let statistics = initialGapStatistics
  return gaps.map((gap) => {
    const step = normaliseStep(statistics, [gap], { mode })
    statistics = step.statistics
    return step.normalised[0]!
  })
}

/** z of the last of some gaps that came one a step, from all of them at once: weighted means, and their variance by the weights. */
function twinOfSingleSteps(gaps: readonly number[]): number {
  const weightsOf = (count: number) => {
    const weights = Array.from({ length: count }, (_, index) => 0.9 ** (count - 1 - index))
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    return weights.map((weight) => weight / total)
  }
  const meanOf = (values: readonly number[]) =>
    weightsOf(values.length).reduce((sum, weight, index) => sum + weight * values[index]!, 0)
  const distances = gaps.slice(1).map((gap, index) => {
    const variance = weightsOf(index + 1).reduce((sum, weight) => sum + weight ** 2, 0)
    return Math.abs(gap - meanOf(gaps.slice(0, index + 1))) / Math.sqrt(1 + variance)
  })
  return distances.length === 0 ? 0 : (gaps.at(-1)! - meanOf(gaps)) / Math.max(1e-3, meanOf(distances))
}

test("lagged statistics normalise by what was known before the step, and by nothing at the first", () => {
  const first = normaliseStep(initialGapStatistics, [0.1, 0.3], { mode: "lagged" })
  expect(first.normalised).toEqual([0, 0])
  const second = normaliseStep(first.statistics, [0.2], { mode: "lagged" })
  expect(second.normalised[0]).toBeCloseTo(0, 12)
  expect(normaliseStep(first.statistics, [0.4], { mode: "lagged" }).normalised[0]).toBeCloseTo(0.2 / Math.sqrt(0.02), 9)
})

describe("official", () => {
  test("an ordinary start, policy = reference but for rounding, has z = 0 until the policy has moved; then the authors' averages", () => {
    for (const noise of [
      [0, 0, 0, 0],
      [1e-7, -2e-7, 0, 3e-8],
    ]) {
      const start = normaliseStep(initialGapStatistics, [...noise, ...noise], {
        mode: "official",
        officialGroupPairs: 4,
      })
      expect(start.normalised).toEqual([0, 0, 0, 0, 0, 0, 0, 0])
      expect(start.statistics.meanUpdates).toBe(2)
      const moved = normaliseStep(start.statistics, [0.1, 0.3], { mode: "official" })
      expect(moved.statistics.mean).toBeCloseTo(0.02, 7)
      expect(moved.normalised[0]).toBeCloseTo((0.1 - 0.02) / (0.1 * Math.sqrt(0.02)), 4)
    }
  })

  test("equal gaps after others have a z like any", () => {
    const before = normaliseStep(initialGapStatistics, [0.1, 0.3], { mode: "official" }).statistics
    const after = normaliseStep(before, [0.5, 0.5], { mode: "official" })
    expect(after.normalised[0]).toBeCloseTo((0.5 - (0.9 * 0.02 + 0.05)) / (0.09 * Math.sqrt(0.02)), 12)
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

  test("where policy = reference the loss is SimPO's, as with z = 0", () => {
    const same = goldenPairs.map((pair) => ({
      ...pair,
      referenceChosen: pair.policyChosen,
      referenceRejected: pair.policyRejected,
    }))
    const options = { ...goldenOptions, statistics: "official" as const }
    const { loss } = stepLoss(same, initialGapStatistics, options)
    expect(loss).toBe(stepLoss(same, initialGapStatistics, { ...goldenOptions, alpha: 0 }).loss)
  })

  test("a micro-batch of one pair fails by name", () => {
    const single = () => normaliseStep(initialGapStatistics, [0.1], { mode: "official" })
    expect(single).toThrow(DegenerateGapStatistics)
    expect(single).toThrow(/single pair/)
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
