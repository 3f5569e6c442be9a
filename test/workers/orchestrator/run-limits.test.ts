// A run ends when its hours are over, whether a runner works on it, is dead or never came, and when a runner does more steps than it may.
import { runDurableObjectAlarm } from "cloudflare:test"
import { env } from "cloudflare:workers"
import { beforeEach, describe, expect, it } from "vitest"
import { MOST_WAITING_DAYS } from "#shared/domain/RunLimits.ts"
import { complete, LEARNED, lease, leaseNext } from "./test-runner.ts"
import { addPairs, bindings, finished, getRun, orchestrator, sleep, startWorld, triggerOnce, valueIn } from "./world.ts"

beforeEach(async () => {
  await startWorld()
  await addPairs(0, 8)
})

const SECOND_IN_HOURS = 1 / 3600

const pool = () => (env as unknown as { RUNNER_POOL: DurableObjectNamespace }).RUNNER_POOL.getByName("pool")

const inPool = async (statement: string, ...values: SqlStorageValue[]) => {
  const { runInDurableObject } = await import("cloudflare:test")
  await runInDurableObject(pool() as never, (_: unknown, state: DurableObjectState) => {
    state.storage.sql.exec(statement, ...values)
  })
}

const OVER =
  "train: it took longer than the 0.00028 hours that it may; its runner keeps the last checkpoint. Lower epochs or maxSteps, or raise limits.hours (a dataset's runLimits), and start it again"

describe("the hours of a run", () => {
  const limits = { hours: 0.00028 }

  it("end it while a runner works on it, whose next call is refused with the state", async () => {
    const runId = await triggerOnce("long", { limits })
    const { jobId, fencingToken, remainingMs } = await leaseNext()
    expect(remainingMs).toBeGreaterThan(500)
    expect(remainingMs).toBeLessThanOrEqual(1008)
    await sleep(1100)
    expect(await orchestrator.heartbeat({ jobId, fencingToken })).toMatchObject({
      ok: false,
      error: { _tag: "StaleLease", message: expect.stringContaining("it is failed") },
    })
    expect(await finished(runId)).toMatchObject({ status: "failed", step: "train", error: OVER })
    expect(await lease("runner", 0)).toBeNull()
  })

  it("end it when its runner is dead and nobody calls", async () => {
    const runId = await triggerOnce("abandoned", { limits })
    await leaseNext()
    expect((await finished(runId)).error).toBe(OVER)
  })

  it("are the whole run's: what training took is not there for the evaluation", async () => {
    const runId = await triggerOnce("both", { limits: { hours: 2 * SECOND_IN_HOURS } })
    const training = await leaseNext()
    await sleep(1000)
    await complete(training, LEARNED)
    const { remainingMs } = await leaseNext()
    expect(remainingMs).toBeLessThan(1000)
    expect((await finished(runId)).error).toMatch(/^evaluate: it took longer than the/)
  })

  it("do not count while it waits for a runner, which it does for seven days", async () => {
    const runId = await triggerOnce("waits", { limits })
    await sleep(1200)
    expect((await getRun(runId)).standing).toMatch(/waits for a runner/)
    await inPool("UPDATE run_clocks SET ends_at = ends_at - ?", MOST_WAITING_DAYS * 24 * 3_600_000)
    await runDurableObjectAlarm(pool() as never)
    expect((await finished(runId)).error).toBe(
      "train: no runner asked for it in 7 days; start a runner, and the run again",
    )
  })

  it("are a day by default, a dataset's own where it has some, and a run's before these", async () => {
    await triggerOnce("day")
    const hours = async () => Math.round((await leaseNext(`runner-${Math.random()}`)).remainingMs! / 360_000) / 10
    expect(await hours()).toBe(24)
    await bindings.DB.prepare(`UPDATE datasets SET run_limits = '{"hours":3}'`).run()
    await triggerOnce("three")
    expect(await hours()).toBe(3)
    await triggerOnce("two", { limits: { hours: 2 } })
    expect(await hours()).toBe(2)
  })
})

describe("the steps of a run", () => {
  it("go to the runner with the job, and end a run whose runner does not mind them", async () => {
    const runId = await triggerOnce("short", { limits: { steps: 40 } })
    const { jobId, fencingToken, spec } = await leaseNext()
    expect(spec).toMatchObject({ kind: "train", mostSteps: 40 })
    const beat = (step: number, steps: number) =>
      orchestrator.heartbeat({ jobId, fencingToken, progress: { step, steps } })
    valueIn(await beat(40, 40))
    expect(await beat(1, 41)).toMatchObject({ ok: false, error: { _tag: "StaleLease" } })
    expect(await finished(runId)).toMatchObject({
      ...{ status: "failed", step: "train" },
      error:
        "train: it would take 41 optimiser steps and may take 40; lower epochs or maxSteps, raise batch, or raise limits.steps (a dataset's runLimits), and start it again",
    })
  })

  it("are 100 000 by default", async () => {
    await triggerOnce("usual")
    expect((await leaseNext()).spec).toMatchObject({ mostSteps: 100_000 })
  })
})
