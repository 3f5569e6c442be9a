// What the sweeper forgets of runs that ended long ago, and when it looks again.
import { runInDurableObject } from "cloudflare:test"
import { env } from "cloudflare:workers"
import { beforeEach, describe, expect, it } from "vitest"
import { complete, LEARNED, leaseNext, work } from "./test-runner.ts"
import {
  addPairs,
  bindings,
  finished,
  inSweeper,
  inWorkflowRun,
  orchestrator,
  startWorld,
  sweepCount,
  triggerOnce,
  valueIn,
} from "./world.ts"

const DAY_MS = 24 * 3_600_000

beforeEach(async () => {
  await startWorld()
  await addPairs(0, 8)
})

describe("the sweeper", () => {
  it("looks again at once for who asked urgently while it swept", async () => {
    const nextAlarm = (meanwhile: boolean | undefined) =>
      inSweeper(async (sweeper, { storage }) => {
        sweeper.sweep = async () => {
          if (meanwhile !== undefined) await sweeper.wake(meanwhile)
          return false
        }
        await sweeper.alarm()
        const at = await storage.getAlarm()
        await storage.deleteAlarm()
        Reflect.deleteProperty(sweeper, "sweep")
        return at!
      })
    for (const meanwhile of [undefined, false]) expect(await nextAlarm(meanwhile)).toBeGreaterThan(Date.now())
    expect(await nextAlarm(true)).toBeLessThanOrEqual(Date.now())
    expect(await nextAlarm(undefined)).toBeGreaterThan(Date.now())
  })
})

describe("what a run left behind", () => {
  it("is forgotten after its end: journal and jobs first, metrics after them", async () => {
    const runId = await triggerOnce("one")
    const training = await leaseNext()
    const { jobId, fencingToken } = training
    valueIn(await orchestrator.metrics({ jobId, fencingToken, fromStep: 1, lines: ['{"step":1}', '{"step":2}'] }))
    await complete(training, LEARNED)
    await work(1, LEARNED)
    await finished(runId)
    await bindings.DB.prepare("UPDATE runs SET updated_at = ?")
      .bind(Date.now() - 31 * DAY_MS)
      .run()
    const tablesOf = () =>
      inWorkflowRun(runId, (_, state) =>
        state.storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'activities'").toArray(),
      )
    const jobs = () =>
      runInDurableObject(
        (env as unknown as { RUNNER_POOL: DurableObjectNamespace }).RUNNER_POOL.getByName("pool") as never,
        (_: unknown, state: DurableObjectState) =>
          state.storage.sql.exec("SELECT id, spec, result FROM jobs ORDER BY sequence").toArray(),
      )
    const metrics = valueIn(await orchestrator.runMetrics(runId))
    expect(metrics).toHaveLength(2)
    expect(await jobs()).toHaveLength(2)
    await inSweeper((sweeper) => sweeper.sweep(Date.now() - 2 * DAY_MS))
    expect([await jobs(), await tablesOf()]).toEqual([[{}, {}].map(() => expect.anything()), [expect.anything()]])
    await inSweeper((sweeper) => sweeper.sweep(Date.now()))
    expect(await tablesOf()).toEqual([])
    expect(await jobs()).toEqual([{ id: `${runId}-train`, spec: "{}", result: null }])
    expect(valueIn(await orchestrator.runMetrics(runId))).toEqual(metrics)
    expect(await sweepCount("runs_forgotten")).toBe(1)
    await inSweeper((sweeper) => sweeper.sweep(Date.now() + 340 * DAY_MS))
    await inSweeper((sweeper) => sweeper.sweep(Date.now() + 340 * DAY_MS))
    expect([await jobs(), valueIn(await orchestrator.runMetrics(runId))]).toEqual([[], []])
    expect(await sweepCount("metrics_forgotten")).toBe(1)
    expect((await finished(runId)).status).toBe("succeeded")
  })
})

describe("a run's metrics", () => {
  it("stay as long as its journal, however short they are to be kept", async () => {
    const runId = await triggerOnce("short")
    const { jobId, fencingToken } = await leaseNext()
    valueIn(await orchestrator.metrics({ jobId, fencingToken, fromStep: 1, lines: ['{"step":1}'] }))
    valueIn(await orchestrator.cancelRun(runId))
    const sweptAfter = (days: number) =>
      inSweeper(async (sweeper) => {
        const own = sweeper as unknown as { env: object }
        const { env: before } = own
        own.env = { ...before, YOHAKU_KEEP_JOURNALS_DAYS: "30", YOHAKU_KEEP_METRICS_DAYS: "1" }
        while (await sweeper.sweep(Date.now() + days * DAY_MS)) {}
        own.env = before
      })
    await sweptAfter(3)
    expect(valueIn(await orchestrator.runMetrics(runId))).toHaveLength(1)
    await sweptAfter(31)
    expect(valueIn(await orchestrator.runMetrics(runId))).toEqual([])
  })
})
