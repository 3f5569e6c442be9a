// Leases, fencing, attempts, metrics: what keeps a job in exactly one pair of hands. Over 300 lines: every way out of them.

import { runDurableObjectAlarm } from "cloudflare:test"
import { env } from "cloudflare:workers"
import { beforeEach, describe, expect, it } from "vitest"
import type { JobResult, LeasedJob } from "#shared/wire/job.ts"
import { complete, LEARNED, lease, leaseNext, resultOf, work } from "./test-runner.ts"
import {
  abortObject,
  addPairs,
  bindings,
  finished,
  getRun,
  orchestrator,
  sleep,
  startWorld,
  triggerOnce,
  until,
  valueIn,
} from "./world.ts"

const LEASE_MS = 1500

beforeEach(async () => {
  await startWorld()
  await addPairs(0, 16)
})

const tokenOf = ({ jobId, fencingToken }: LeasedJob) => ({ jobId, fencingToken })

const poolStub = () => (env as unknown as { RUNNER_POOL: DurableObjectNamespace }).RUNNER_POOL.getByName("pool")

/** Waits until the run has posted a job. */
const posted = (runId: string, name: string) =>
  until(
    async () => (await bindings.WORKFLOW_RUN.getByName(runId).status())!.activities,
    (activities) => activities.some((activity) => activity.name === `${name}/post` && activity.isFinished),
  )

describe("a lease", () => {
  it("states its terms: attempt, token, length, and a heartbeat four times as often", async () => {
    const runId = await triggerOnce("terms")
    expect(await leaseNext()).toMatchObject({
      ...{ jobId: `${runId}-train`, fencingToken: 1, attempt: 1, leaseMs: LEASE_MS, heartbeatMs: 375 },
      spec: { kind: "train", runId },
    })
  })

  it("is given to one of many runners that wait", async () => {
    const waiting = Array.from({ length: 10 }, (_, index) => lease(`runner-${index}`, 1000))
    await triggerOnce("one")
    const jobs = (await Promise.all(waiting)).filter((job) => job !== null)
    expect(jobs).toHaveLength(1)
    expect(jobs[0]!.fencingToken).toBe(1)
  })

  it("reaches a waiting runner as soon as the job is posted", async () => {
    const waiting = lease("runner", 20_000)
    const start = Date.now()
    await triggerOnce("soon")
    expect(await waiting).not.toBeNull()
    expect(Date.now() - start).toBeLessThan(10_000)
  })

  it("is null when no job comes in time", async () => {
    const start = Date.now()
    expect(await lease("runner", 200)).toBeNull()
    expect(Date.now() - start).toBeGreaterThanOrEqual(195)
  })

  it("is never given to a caller whose runner has asked again", async () => {
    const first = lease("runner", 20_000)
    await sleep(100)
    const second = lease("runner", 20_000)
    expect(await first).toBeNull()
    await triggerOnce("twice")
    expect(await second).toMatchObject({ fencingToken: 1, attempt: 1 })
  })

  it("goes back at once to a runner that lost its own, under a token that makes the old one stale", async () => {
    await triggerOnce("restart")
    const before = await leaseNext("runner")
    expect(await lease("another", 0)).toBeNull()
    const after = await leaseNext("runner")
    expect(after).toMatchObject({ jobId: before.jobId, fencingToken: 2, attempt: 2 })
    for (const stale of [
      await orchestrator.heartbeat(tokenOf(before)),
      await orchestrator.checkLease(tokenOf(before)),
      await orchestrator.metrics({ ...tokenOf(before), fromStep: 1, lines: ["{}"] }),
      await orchestrator.complete({ ...tokenOf(before), result: await resultOf(before, LEARNED) }),
      await orchestrator.fail({ ...tokenOf(before), error: "late", retryable: true }),
    ]) {
      expect(stale).toMatchObject({ ok: false, error: { _tag: "StaleLease" } })
    }
    expect(await orchestrator.checkLease(tokenOf(after))).toEqual({ ok: true, value: null })
  })

  it("of an unknown job is not found", async () => {
    const heartbeat = await orchestrator.heartbeat({ jobId: "nothing", fencingToken: 1 })
    expect(heartbeat).toMatchObject({ ok: false, error: { _tag: "NotFound" } })
  })

  it("lives on by heartbeats and ends without them; then another runner has the job", async () => {
    await triggerOnce("silent")
    const first = await leaseNext("first")
    for (let beats = 0; beats < 6; beats++) {
      await sleep(400)
      const { leaseExpiresAt } = valueIn(await orchestrator.heartbeat(tokenOf(first)))
      expect(leaseExpiresAt).toBeGreaterThan(Date.now() + LEASE_MS - 400)
    }
    const start = Date.now()
    const second = await leaseNext("second", 10_000)
    expect(Date.now() - start).toBeGreaterThan(LEASE_MS - 500)
    expect(second).toMatchObject({ jobId: first.jobId, fencingToken: 2, attempt: 2 })
    expect(await orchestrator.heartbeat(tokenOf(first))).toMatchObject({ ok: false, error: { _tag: "StaleLease" } })
  })

  it("ends when its time is over even if the alarm has not fired, and whoever asks first sees it", async () => {
    await triggerOnce("over")
    const job = await leaseNext("first")
    await sleep(LEASE_MS + 50)
    expect(await orchestrator.checkLease(tokenOf(job))).toMatchObject({ ok: false, error: { _tag: "StaleLease" } })
  })

  it("outlives the object that gave it", async () => {
    await triggerOnce("kept")
    const job = await leaseNext("first")
    await abortObject(poolStub())
    expect(await orchestrator.checkLease(tokenOf(job))).toEqual({ ok: true, value: null })
    expect(await lease("second", 0)).toBeNull()
  })
})

describe("a job", () => {
  it("that breaks every runner is parked after five attempts, and its run says why", async () => {
    const runId = await triggerOnce("poison")
    for (let attempt = 1; attempt <= 5; attempt++) {
      expect(await leaseNext("runner")).toMatchObject({ attempt })
    }
    expect(await lease("runner", 0)).toBeNull()
    const run = await finished(runId)
    expect(run).toMatchObject({ status: "failed", step: "train" })
    expect(run.error).toBe('train: gave up after 5 attempts: runner "runner" came back without having finished')
  })

  it("whose runners fall silent five times is parked by the alarm", async () => {
    const runId = await triggerOnce("silence")
    for (let attempt = 1; attempt <= 5; attempt++) {
      expect(await leaseNext(`runner-${attempt}`)).toMatchObject({ attempt })
    }
    const run = await finished(runId)
    expect(run.error).toBe('train: gave up after 5 attempts: runner "runner-5" stopped answering')
  })

  it("that may be retried comes back after a pause, and leaves other jobs alone", async () => {
    await triggerOnce("flaky")
    const job = await leaseNext("runner")
    valueIn(await orchestrator.fail({ ...tokenOf(job), error: "device lost", retryable: true }))
    const other = await triggerOnce("healthy", { force: true })
    expect((await leaseNext("runner")).jobId).toBe(`${other}-train`)
    const again = await leaseNext("second", 5000)
    expect(again).toMatchObject({ jobId: job.jobId, attempt: 2, fencingToken: 2 })
  })

  it("of an older run goes before those of newer runs, also right after its last was done", async () => {
    const first = await triggerOnce("older")
    await posted(first, "train")
    const second = await triggerOnce("newer", { force: true })
    await posted(second, "train")
    expect(await work(4)).toEqual([`${first}-train`, `${first}-evaluate`, `${second}-train`, `${second}-evaluate`])
  })

  it("of a newer run waits for none of an older one that is over", async () => {
    const first = await triggerOnce("older")
    await posted(first, "train")
    const second = await triggerOnce("newer", { force: true })
    await posted(second, "train")
    expect(await work(2)).toEqual([`${first}-train`, `${first}-evaluate`])
    await finished(first)
    // The pool hears of it just after the run's row: half of the time that it would wait otherwise.
    expect((await leaseNext("runner", 1000)).jobId).toBe(`${second}-train`)
  })

  it("of a run that is over is done for nobody: it is given to no runner, and who holds it is refused", async () => {
    const runId = await triggerOnce("over")
    const job = await leaseNext()
    await bindings.RUNNER_POOL.getByName("pool").ended(runId)
    expect(await orchestrator.heartbeat(tokenOf(job))).toMatchObject({ ok: false, error: { _tag: "StaleLease" } })
    expect(await lease("another", 200)).toBeNull()
  })

  it("takes its completion twice, for an answer may be lost, and counts it once", async () => {
    const runId = await triggerOnce("twice")
    const job = await leaseNext()
    await complete(job, LEARNED)
    await complete(job, LEARNED)
    const other = { ...(await resultOf(job, LEARNED)), report: { another: 1 } } as JobResult
    expect(await orchestrator.complete({ ...tokenOf(job), result: other })).toEqual({
      ok: false,
      error: { _tag: "Invalid", message: `job "${job.jobId}" is done with another result; the first one stays` },
    })
    await work(1)
    expect((await finished(runId)).detail.promote).toMatchObject({ version: 1 })
  })

  it("refuses a result of the wrong kind, with unknown keys, or whose files were not uploaded", async () => {
    await triggerOnce("wrong")
    const job = await leaseNext()
    const digest = "0".repeat(64)
    const answers = [
      await orchestrator.complete({ ...tokenOf(job), result: { kind: "evaluate", evaluation: digest } }),
      await orchestrator.complete({
        ...tokenOf(job),
        result: {
          kind: "train",
          adapter: { "adapter_config.json": digest, "adapter_model.safetensors": digest },
          report: {},
        },
      }),
      await orchestrator.complete({
        ...tokenOf(job),
        result: { kind: "train", adapter: {}, report: {}, x: 1 } as never,
      }),
      await orchestrator.complete({
        ...tokenOf(job),
        result: { kind: "train", adapter: {}, report: { log: "x".repeat(300_000) } },
      }),
    ]
    for (const adapter of [{}, { "adapter_config.json": digest }, { "../../x": digest }])
      answers.push(await orchestrator.complete({ ...tokenOf(job), result: { kind: "train", adapter, report: {} } }))
    const model = { "config.json": digest }
    answers.push(await orchestrator.complete({ ...tokenOf(job), result: { kind: "train", model, report: {} } }))
    const messages = answers.map((answer) => (answer.ok ? "accepted" : `${answer.error._tag}: ${answer.error.message}`))
    expect(messages[0]).toBe("Invalid: the job is to train and the result is of kind evaluate")
    expect(messages[1]).toBe(`Invalid: blob ${digest} was not uploaded; upload it, then complete again`)
    expect(messages[2]).toMatch(/^Invalid: the result cannot be read/)
    expect(messages[3]).toMatch(/^Invalid: the result is 3\d+ characters of JSON, at most 262144 are taken/)
    expect(messages[4]).toBe(
      "Invalid: the adapter lacks adapter_config.json, adapter_model.safetensors; upload and name what training makes, then complete again",
    )
    expect(messages[5]).toMatch(/^Invalid: the adapter lacks adapter_model.safetensors;/)
    expect(messages[6]).toMatch(/^Invalid: the result cannot be read: .*"adapter"/s)
    expect(messages[7]).toBe(
      "Invalid: the result has no adapter; upload and name what training makes, then complete again",
    )
    expect(await orchestrator.checkLease(tokenOf(job))).toEqual({ ok: true, value: null })
  })

  it("tells its workflow again after the object died in between", async () => {
    const runId = await triggerOnce("untold")
    const job = await leaseNext()
    const { jobId, fencingToken } = job
    const result = await resultOf(job, LEARNED)
    // The pool stores the result, then its object is killed with everything else before it can tell.
    const completed = orchestrator.complete({ jobId, fencingToken, result }).catch(() => undefined)
    await sleep(5)
    await abortObject(poolStub())
    await completed
    const again = await orchestrator.complete({ jobId, fencingToken, result })
    expect(again.ok).toBe(true)
    await runDurableObjectAlarm(poolStub())
    await work(1)
    expect((await finished(runId)).status).toBe("succeeded")
  })
})

describe("what a runner reports", () => {
  it("is shown with the run while the job is leased", async () => {
    const runId = await triggerOnce("progress")
    const job = await leaseNext()
    const progress = { step: 3, steps: 10, message: "training" }
    valueIn(await orchestrator.heartbeat({ ...tokenOf(job), progress }))
    expect((await getRun(runId)).progress).toEqual(progress)
    valueIn(await orchestrator.heartbeat(tokenOf(job)))
    expect((await getRun(runId)).progress).toEqual(progress)
    await complete(job, LEARNED)
    expect((await getRun(runId)).progress).toBeUndefined()
  })

  it("is stored by step, so that a batch sent twice is stored once", async () => {
    const runId = await triggerOnce("metrics")
    const job = await leaseNext()
    const send = async (fromStep: number, lines: string[]) =>
      valueIn(await orchestrator.metrics({ ...tokenOf(job), fromStep, lines }))
    await send(1, ['{"step":1}', '{"step":2}'])
    await send(1, ['{"step":1}', '{"step":2}'])
    await send(3, ['{"step":3}'])
    expect(valueIn(await orchestrator.runMetrics(runId))).toEqual(['{"step":1}', '{"step":2}', '{"step":3}'])
  })

  it("replaces from its first step on what an earlier lease reported", async () => {
    const runId = await triggerOnce("resumed")
    const first = await leaseNext()
    const lines = ["1", "2", "3", "4"]
    valueIn(await orchestrator.metrics({ ...tokenOf(first), fromStep: 1, lines }))
    const second = await leaseNext()
    valueIn(await orchestrator.metrics({ ...tokenOf(second), fromStep: 3, lines: ["3 again"] }))
    expect(valueIn(await orchestrator.runMetrics(runId))).toEqual(["1", "2", "3 again"])
  })

  it("of a run that does not exist is not found", async () => {
    expect(await orchestrator.runMetrics("nothing")).toMatchObject({ ok: false, error: { _tag: "NotFound" } })
    expect(await bindings.RUNNER_POOL.getByName("pool").progress("nothing")).toBeNull()
  })
})
