// Every gate at its limit, just below and just above it. Shares are subtracted, so a limit is met but for rounding.
import { describe, expect, it } from "vitest"
import type { Evaluated, GateLimits } from "#shared/workflows/retrain.ts"
import { judge } from "#workers/orchestrator/retrain/gates.ts"

const LIMITS: GateLimits = { minimumGain: 0.02, productionTolerance: 0.02, klPerToken: 1 }

const EVALUATED: Evaluated = {
  ...{ baseAccuracy: 0.5, accuracy: 0.75, accuracyLow: 0.6, accuracyHigh: 0.85 },
  ...{ klPerToken: 0.25, pairs: 50, nonFinite: 0 },
}

const verdict = (gate: string, change: Partial<Evaluated>, champion?: number): boolean | undefined =>
  judge({ ...EVALUATED, ...change }, LIMITS, champion).find((each) => each.gate === gate)?.passed

/** Above it a difference is real, below it is rounding. */
const BARELY = 2e-9
const ROUNDING = 5e-10

describe("a gate passes at its limit and fails beyond it:", () => {
  it("gain-over-base, of at least two points", () => {
    const gain = (accuracy: number) => verdict("gain-over-base", { baseAccuracy: 0.1, accuracy })
    expect(0.12 - 0.1).toBeLessThan(0.02)
    expect(gain(0.12)).toBe(true)
    expect(gain(0.12 - ROUNDING)).toBe(true)
    expect(gain(0.12 - BARELY)).toBe(false)
    expect(gain(0.13)).toBe(true)
    expect(gain(0.11)).toBe(false)
  })

  it("drift, of at most one nat a token", () => {
    const drift = (klPerToken: number) => verdict("drift", { klPerToken })
    expect(drift(0)).toBe(true)
    expect(drift(1)).toBe(true)
    expect(drift(1 + ROUNDING)).toBe(true)
    expect(drift(1 + BARELY)).toBe(false)
    expect(drift(Number.MAX_VALUE)).toBe(false)
  })

  it("finite, of no log-prob at all", () => {
    expect(verdict("finite", { nonFinite: 0 })).toBe(true)
    expect(verdict("finite", { nonFinite: 1 })).toBe(false)
  })

  it("no-worse-than-production, which may be fallen short of by two points", () => {
    const lead = (accuracy: number) => verdict("no-worse-than-production", { accuracy }, 0.72)
    expect(0.7 - 0.72).toBeLessThan(-0.02)
    expect(lead(0.7)).toBe(true)
    expect(lead(0.7 - ROUNDING)).toBe(true)
    expect(lead(0.7 - BARELY)).toBe(false)
    expect(lead(0.8)).toBe(true)
    expect(verdict("no-worse-than-production", {})).toBeUndefined()
  })
})

it("the verdicts come with their values, limits and words, in reading order", () => {
  expect(judge({ ...EVALUATED, nonFinite: 3 }, LIMITS, 0.875)).toEqual([
    {
      ...{ gate: "finite", passed: false, value: 3, limit: 0 },
      explanation: "3 of 100 held-out log-probs are not finite; one is one too many",
    },
    {
      ...{ gate: "gain-over-base", passed: true, value: 0.25, limit: 0.02 },
      explanation:
        "held-out accuracy 75.0 % against the base model's 50.0 %: 25.0 points, at least 2.0 points are asked for",
    },
    {
      ...{ gate: "drift", passed: true, value: 0.25, limit: 1 },
      explanation: "drift from the base model is 0.250 nats per held-out token (k3 estimate), at most 1 are allowed",
    },
    {
      ...{ gate: "no-worse-than-production", passed: false, value: -0.125, limit: -0.02 },
      explanation:
        "held-out accuracy 75.0 % against production's 87.5 % on the same pack: -12.5 points, it may fall by 2.0 points",
    },
  ])
})
