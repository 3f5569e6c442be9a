// Every gate at its limit, just below and just above it. Shares are subtracted, so a limit is met but for rounding.
import { describe, expect, it } from "vitest"
import type { Evaluated, GateLimits } from "#shared/workflows/retrain.ts"
import { judge } from "#workers/orchestrator/retrain/gates.ts"
import { measure } from "#workers/orchestrator/retrain/measure.ts"

const LIMITS: GateLimits = { minimumGain: 0.02, productionTolerance: 0.02, driftPerToken: 1 }

const EVALUATED: Evaluated = {
  ...{ baseAccuracy: 0.5, accuracy: 0.75, accuracyLow: 0.6, accuracyHigh: 0.85 },
  ...{ driftPerToken: 0.25, pairs: 50, nonFinite: 0 },
}

const verdict = (gate: string, change: Partial<Evaluated>, champion?: number): boolean | undefined =>
  judge({ ...EVALUATED, ...change }, LIMITS, { championAccuracy: champion }).find((each) => each.gate === gate)?.passed

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
    const drift = (driftPerToken: number) => verdict("drift", { driftPerToken })
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

describe("judgements that were taken back while a run was trained on", () => {
  const stillSaid = (takenBack: number, limits: GateLimits = LIMITS) =>
    judge(EVALUATED, limits, { takenBack: { takenBack, pairs: 40 } }).find(({ gate }) => gate === "still-said")

  it("are let through up to one pair in twenty, with their number", () => {
    expect(stillSaid(0)).toBeUndefined()
    expect(stillSaid(2)).toEqual({
      ...{ gate: "still-said", passed: true, value: 0.05, limit: 0.05 },
      explanation:
        "2 of the pack's 40 pairs were taken back while it was trained on (5.0 %), at most 5.0 % are let through; the next run does without them",
    })
    expect(stillSaid(3)).toMatchObject({ passed: false, value: 0.075 })
  })

  it("are not let through at all where the deployment says so", () => {
    expect(stillSaid(1, { ...LIMITS, takenBackShare: 0 })).toMatchObject({ passed: false, limit: 0 })
  })
})

describe("near duplicates across the split", () => {
  const near = { nearDuplicates: 10, withoutNearDuplicates: { baseAccuracy: 0.5, accuracy: 0.51, pairs: 40 } }

  it("are left out of what the gates go by, and it is said how many", () => {
    const gain = judge({ ...EVALUATED, ...near }, LIMITS, { championAccuracy: 0.52 }).find(
      ({ gate }) => gate === "gain-over-base",
    )!
    expect(gain).toMatchObject({ passed: false, value: expect.closeTo(0.01, 12) })
    expect(gain.explanation).toBe(
      "held-out accuracy (of 40 pairs, without 10 that nearly repeat a trained prompt) 51.0 % against the base model's 50.0 %: 1.0 points, at least 2.0 points are asked for",
    )
    expect(verdict("no-worse-than-production", near, 0.52)).toBe(true)
    expect(verdict("no-worse-than-production", near, 0.54)).toBe(false)
  })

  it("are all there is to go by where no prompt is new, and it is said", () => {
    const gain = judge({ ...EVALUATED, nearDuplicates: 50 }, LIMITS)[1]!
    expect(gain).toMatchObject({ passed: true, value: 0.25 })
    expect(gain.explanation).toMatch(
      /^held-out accuracy \(all 50 pairs nearly repeat a trained prompt, none is new\) 75/,
    )
  })

  it("are told apart in what is measured", () => {
    const score = (sum: number) => ({ sum, count: 1 })
    const pair = (chosen: number, rejected: number) => ({ chosen: score(chosen), rejected: score(rejected) })
    const pairs = [pair(-2, -1), pair(-2, -1), pair(-1, -2), pair(-2, -1)]
    const policy = [pair(-1, -2), pair(-1, -2), pair(-1, -2), pair(-2, -1)]
    const evaluation = {
      pairIds: [],
      chosen: policy.map(({ chosen }) => chosen),
      rejected: policy.map(({ rejected }) => rejected),
    }
    const measured = (isNearDuplicate: boolean[]) => measure({ ...evaluation, isNearDuplicate }, { pairs })
    expect(measured([true, true, false, false])).toMatchObject({
      ...{ baseAccuracy: 0.25, accuracy: 0.75, pairs: 4, nearDuplicates: 2 },
      withoutNearDuplicates: { baseAccuracy: 0.5, accuracy: 0.5, pairs: 2 },
    })
    expect(measured([false, false, false, false])).toMatchObject({ accuracy: 0.75, nearDuplicates: 0 })
    for (const all of [true, false]) expect(measured([all, all, all, all])).not.toHaveProperty("withoutNearDuplicates")
  })
})

it("the verdicts come with their values, limits and words, in reading order", () => {
  expect(judge({ ...EVALUATED, nonFinite: 3 }, LIMITS, { championAccuracy: 0.875 })).toEqual([
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

describe("evidence of the run's evaluation by a judge", () => {
  const winRate = {
    ...{
      against: { name: "support", version: 3 },
      wins: 30,
      losses: 10,
      ties: 2,
      rate: 0.738,
      low: 0.589,
      high: 0.847,
    },
    preference: { mean: 0.7, standardError: 0.05, low: 0.6, high: 0.8 },
    ...{ meanLength: { candidate: 10, against: 10 }, notJudged: 0, groups: [] },
  }
  const PINNED = {
    rules: [
      { measurement: "win-evidence", atLeast: 20 },
      { measurement: "loss-evidence", atMost: 20 },
    ],
    probes: [],
  } as const
  const of = (change: Partial<Evaluated>) => judge({ ...EVALUATED, ...change }, PINNED)

  it("opens a gate once it stands, and closes another once it stands against the candidate", () => {
    const gates = (better: number, worse: number) =>
      of({ winRate: { ...winRate, evidence: { better, worse } } }).map(({ passed }) => passed)
    expect(gates(20, 0.2)).toEqual([true, true])
    expect(gates(19.99, 0.2)).toEqual([false, true])
    expect(gates(0.01, 20.01)).toEqual([false, false])
    expect(of({ winRate: { ...winRate, evidence: { better: 35.28, worse: 0.02 } } })[0]).toEqual({
      ...{ gate: "win-evidence", passed: true, value: 35.28, limit: 20 },
      explanation:
        "evidence that its answers win against those of support@3 is 35.3 (30 won, 2 tied, 10 lost), at least 20 is asked for",
    })
  })

  it("closes both where there is none, and says why", () => {
    const reasons = (change: Partial<Evaluated>) => of(change).map(({ passed, explanation }) => [passed, explanation])
    for (const [change, why] of [
      [
        {},
        "the dataset had no `evaluation` when the run was triggered, so no judge compared answers; set one (docs/api.md, Evaluations)",
      ],
      [{ winRate }, "the evaluation is of before evidence was counted"],
      [{ winRateUnmeasured: "no memory for it" }, "no memory for it"],
    ] as const)
      expect(reasons(change)).toEqual(
        ["win-evidence", "loss-evidence"].map((name) => [false, `${name} could not be measured: ${why}`]),
      )
  })
})
