// Gates that a dataset declares: pinned when a run is triggered, asked of the runner, and held to.
import { beforeEach, describe, expect, it } from "vitest"
import type { GatesDeclaration } from "#shared/gates/gates-declaration.ts"
import { LEARNED, leaseNext, work } from "./test-runner.ts"
import { addPairs, bindings, failedGates, finished, startWorld, triggerOnce } from "./world.ts"

beforeEach(() => startWorld())

const declare = (gates: GatesDeclaration | null) =>
  bindings.DB.prepare("UPDATE datasets SET gates = ?")
    .bind(gates === null ? null : JSON.stringify(gates))
    .run()

const TONE: NonNullable<GatesDeclaration["probes"]> = [
  { name: "tone", pairs: [{ prompt: "Hello?", chosen: "Good day!", rejected: "What." }] },
]

const promoteUnder = async (gates: GatesDeclaration, shift = LEARNED) => {
  await declare(gates)
  await addPairs(0, 80)
  const runId = await triggerOnce("declared")
  await work(2, shift)
  return (await finished(runId)).detail
}

describe("the gates of a dataset", () => {
  it("replace the default ones, but for that of finite log-probs", async () => {
    const { promote } = await promoteUnder({ rules: [{ measurement: "accuracy", atLeast: 0.99, bound: "low" }] })
    expect(promote!.gates.map(({ gate }) => gate)).toEqual(["finite", "accuracy"])
    expect(promote!.promoted).toBe(false)
    expect(promote!.gates[1]).toMatchObject({ passed: false, limit: 0.99, bound: "low" })
  })

  it("that only warn do not keep an adapter from production", async () => {
    const { promote } = await promoteUnder({ rules: [{ measurement: "drift", atMost: 0, severity: "warn" }] })
    expect(failedGates(promote!.gates)).toEqual(["drift"])
    expect(promote!.promoted).toBe(true)
  })

  it("have probes of their own, which the runner is asked about", async () => {
    await declare({ probes: TONE })
    await addPairs(0, 80)
    const runId = await triggerOnce("probed")
    await work(1)
    const evaluation = await leaseNext()
    expect(evaluation.spec).toMatchObject({ kind: "evaluate", behaviour: { probes: TONE } })
    expect(runId).toBe(evaluation.spec.runId)
  })

  it("open where a probe's margin rises", async () => {
    const { evaluate, promote } = await promoteUnder({ probes: TONE })
    expect(evaluate!.measurements!["probe-margin-change:tone"]).toMatchObject({ value: expect.closeTo(1.2, 12) })
    expect(promote!.promoted).toBe(true)
  })

  it("close where a probe's margin falls", async () => {
    const { promote } = await promoteUnder({ probes: TONE }, { chosen: -0.9, rejected: 0.3 })
    expect(failedGates(promote!.gates)).toContain("probe-margin-change:tone")
  })

  it("are closed where nothing could be measured: a win rate without a judge", async () => {
    const { promote } = await promoteUnder({ rules: [{ measurement: "win-rate", atLeast: 0.5, bound: "low" }] })
    expect(promote!.promoted).toBe(false)
    expect(promote!.gates[1]).toEqual({
      ...{ gate: "win-rate", passed: false, limit: 0.5, bound: "low" },
      explanation:
        "win-rate could not be measured: the dataset had no `evaluation` when the run was triggered, so no judge compared answers; set one (docs/api.md, Evaluations)",
    })
  })

  it("are those of the trigger: a later change does not reach a run under way", async () => {
    await declare({ rules: [] })
    await addPairs(0, 80)
    const runId = await triggerOnce("pinned")
    await declare({ rules: [{ measurement: "drift", atMost: 0 }] })
    await work(2)
    const { promote } = (await finished(runId)).detail
    expect(promote!.gates.map(({ gate }) => gate)).toEqual(["finite"])
    expect(promote!.promoted).toBe(true)
  })

  it("are shown though nothing of theirs was measured: closed where pairs are missing, passed without production or an earlier run", async () => {
    const { promote } = await promoteUnder({
      rules: [
        { measurement: "lead-over-production", atLeast: 0 },
        { measurement: "old-pairs-change", atLeast: -1 },
        { measurement: "worst-setting-gain", atLeast: -0.1 },
      ],
    })
    expect(promote!.gates.slice(1)).toEqual([
      {
        ...{ gate: "no-worse-than-production", passed: true, limit: 0 },
        explanation:
          "lead-over-production does not apply yet: production serves nothing that was trained from this base",
      },
      {
        ...{ gate: "old-pairs-change", passed: true, limit: -1 },
        explanation: "old-pairs-change does not apply yet: production serves nothing that was trained from this base",
      },
      {
        ...{ gate: "worst-setting-gain", passed: false, limit: -0.1 },
        explanation:
          "worst-setting-gain could not be measured: no work setting has 20 held-out pairs; comparisons need `task`, which names theirs",
      },
    ])
    expect(promote!.promoted).toBe(false)
  })
})
