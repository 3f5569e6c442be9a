// What keeps an adapter from production, and what each gate says about it.
import { beforeEach, describe, expect, it } from "vitest"
import { LEARNED, type Shift, work } from "./test-runner.ts"
import { addPairs, channelsNow, failedGates, finished, startWorld, triggerOnce } from "./world.ts"

beforeEach(() => startWorld())

describe("gates", () => {
  const promoteWith = async (shift: Shift, promotion?: "never") => {
    await addPairs(0, 80)
    const runId = await triggerOnce("gated", promotion === undefined ? {} : { promotion })
    await work(2, shift)
    return (await finished(runId)).detail.promote!
  }

  it("keep an adapter that is less accurate than the base from production, and say by how much", async () => {
    const { promoted, gates } = await promoteWith({ chosen: -0.9, rejected: 0.3 })
    expect(promoted).toBe(false)
    expect(failedGates(gates)).toEqual(["gain-over-base"])
    const gate = gates.find((each) => each.gate === "gain-over-base")!
    expect(gate.value).toBeLessThan(0)
    expect(gate.limit).toBe(0.02)
    expect(gate.explanation).toMatch(
      /held-out accuracy \(of 5 pairs, without 15 that nearly repeat a trained prompt\) [\d.]+ % against the base model's [\d.]+ %: -[\d.]+ points/,
    )
    expect(await channelsNow()).toEqual({ candidate: 1 })
  })

  it("keep an adapter that drifts too far from production, however accurate", async () => {
    const { promoted, gates } = await promoteWith({ chosen: 2, rejected: -4 })
    expect(promoted).toBe(false)
    expect(failedGates(gates)).toEqual(["drift"])
    expect(gates.find(({ gate }) => gate === "drift")!.value).toBeCloseTo(
      (4 * (Math.exp(2) - 3) + 5 * (Math.exp(-4) + 3)) / 9,
      5,
    )
  })

  it("fail a run whose adapter gives not one finite log-prob", async () => {
    await addPairs(0, 40)
    const runId = await triggerOnce("diverged")
    await work(2, { chosen: Number.NaN, rejected: Number.NaN })
    const run = await finished(runId)
    expect(run).toMatchObject({ status: "failed", step: "evaluate" })
    expect(run.error).toMatch(/not one of its log-probs is finite: training diverged/)
  })

  it("keep an adapter with some log-probs that are not finite from production", async () => {
    const { promoted, gates } = await promoteWith({ chosen: 0.2, rejected: Number.NaN })
    expect(promoted).toBe(false)
    expect(gates[0]).toMatchObject({ gate: "finite", passed: false, value: 20, limit: 0 })
  })

  it("are not asked for leave when the run may not promote", async () => {
    const { promoted, gates } = await promoteWith(LEARNED, "never")
    expect(promoted).toBe(false)
    expect(failedGates(gates)).toEqual([])
    expect(await channelsNow()).toEqual({ candidate: 1 })
  })
})
