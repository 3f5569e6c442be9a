// A run that is under way says why it stands, and ends when it is cancelled.
import { beforeEach, describe, expect, it } from "vitest"
import { complete, LEARNED, lease, leaseNext, work } from "./test-runner.ts"
import {
  addPairs,
  finished,
  getRun,
  inWorkflowRun,
  orchestrator,
  startWorld,
  triggerOnce,
  until,
  valueIn,
} from "./world.ts"

beforeEach(async () => {
  await startWorld()
  await addPairs(0, 8)
})

const atTraining = (runId: string) =>
  until(
    () => getRun(runId),
    ({ standing }) => standing !== undefined,
  )

describe("a run that waits", () => {
  it("says for what: a runner, and the jobs that go before its own", async () => {
    const first = await triggerOnce("first")
    expect((await atTraining(first)).standing).toBe(
      'its job "train" waits for a runner: no runner has asked for it yet',
    )
    const second = await triggerOnce("second", { force: true })
    expect((await atTraining(second)).standing).toBe(
      'its job "train" waits for a runner: jobs of other runs that go before it: 1',
    )
    const { jobId, fencingToken } = await leaseNext()
    expect(await getRun(first)).not.toHaveProperty("standing")
    valueIn(await orchestrator.fail({ jobId, fencingToken, error: "no memory", retryable: true }))
    expect((await getRun(first)).standing).toMatch(/^its job "train" .*\(attempt 1 ended: no memory\)$/)
  })
})

describe("a run that is cancelled", () => {
  it("ends at once, its runner is refused, and the next run's job is handed out", async () => {
    const runId = await triggerOnce("first")
    const job = await leaseNext()
    expect(valueIn(await orchestrator.cancelRun(runId))).toMatchObject({
      status: "cancelled",
      error: "it was cancelled",
    })
    expect(await orchestrator.heartbeat({ jobId: job.jobId, fencingToken: job.fencingToken })).toMatchObject({
      ok: false,
      error: { _tag: "StaleLease" },
    })
    expect(await inWorkflowRun(runId, (_, state) => state.storage.getAlarm())).toBeNull()
    const next = await triggerOnce("next")
    expect(await work(2)).toEqual([`${next}-train`, `${next}-evaluate`])
    expect((await finished(next)).status).toBe("succeeded")
    expect((await getRun(runId)).status).toBe("cancelled")
  })

  it("may be cancelled again, and before a runner has seen it", async () => {
    const runId = await triggerOnce("queued")
    valueIn(await orchestrator.cancelRun(runId))
    expect(valueIn(await orchestrator.cancelRun(runId)).status).toBe("cancelled")
    expect(await lease("runner", 300)).toBeNull()
    expect((await getRun(runId)).status).toBe("cancelled")
  })

  it("cannot be one that is over, or that is not there", async () => {
    const runId = await triggerOnce("over")
    await complete(await leaseNext(), LEARNED)
    await work(1)
    await finished(runId)
    expect(await orchestrator.cancelRun(runId)).toEqual({
      ok: false,
      error: { _tag: "Conflict", message: `run "${runId}" has succeeded already` },
    })
    expect(await orchestrator.cancelRun("nothing")).toMatchObject({ ok: false, error: { _tag: "NotFound" } })
  })
})
