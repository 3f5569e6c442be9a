// The pool's bounds: attempts, pauses, waiting, and what a runner may report. The store alone is exact about time.
import { runInDurableObject } from "cloudflare:test"
import { env } from "cloudflare:workers"
import * as fc from "fast-check"
import { beforeEach, describe, expect, it } from "vitest"
import type { JobSpec } from "#shared/wire/job.ts"
import { type Job, JobStore } from "#workers/orchestrator/pool/JobStore.ts"
import { boundedWaitMs, WaitingLine } from "#workers/orchestrator/pool/WaitingLine.ts"
import { leaseNext } from "./test-runner.ts"
import { addPairs, getRun, orchestrator, startWorld, triggerOnce, valueIn } from "./world.ts"

const SPEC: JobSpec = { kind: "train", runId: "run", base: {}, pack: "0".repeat(64), config: {} }
const RUNNER = { id: "runner", adapter: "a test" }

const inStoreOf = <A>(name: string, use: (store: JobStore) => A): Promise<A> => {
  const stub = (env as unknown as { RUNNER_POOL: DurableObjectNamespace }).RUNNER_POOL.getByName(name)
  return runInDurableObject(
    stub as never,
    ((_: unknown, state: DurableObjectState) => use(new JobStore(state.storage.sql))) as never,
  ) as Promise<A>
}

/** A store that nobody else looks into. */
const inStore = <A>(use: (store: JobStore) => A) => inStoreOf("alone", use)
/** The store of the pool that the orchestrator asks. */
const inPool = <A>(use: (store: JobStore) => A) => inStoreOf("pool", use)

/** A job of its own, leased this many times. */
const leased = (store: JobStore, name: string, times: number): Job => {
  store.add("run", name, SPEC)
  for (let lease = 0; lease < times; lease++)
    if (store.lease(store.find(`run-${name}`)!, RUNNER, Date.now() + 60_000) === undefined) break
  return store.find(`run-${name}`)!
}

describe("attempts", () => {
  beforeEach(() => startWorld())

  it("are five, however the job comes back: by its runner, after a failure, after silence", async () => {
    const ends = await inStore((store) => {
      const again = leased(store, "again", 6)
      const [fourth, fifth] = [leased(store, "fourth", 4), leased(store, "fifth", 5)]
      store.retry(fourth, "device lost")
      store.retry(fifth, "device lost")
      const [silentFourth, silentFifth] = [leased(store, "silent-4", 4), leased(store, "silent-5", 5)]
      store.expire(Date.now() + 60_001)
      return [again, fourth, fifth, silentFourth, silentFifth].map(({ id }) => {
        const { name, status, error, attempts } = store.find(id)!
        return [name, status, attempts, error]
      })
    })
    expect(ends).toEqual([
      ["again", "failed", 5, 'gave up after 5 attempts: runner "runner" came back without having finished'],
      ["fourth", "queued", 4, "device lost"],
      ["fifth", "failed", 5, "gave up after 5 attempts: device lost"],
      ["silent-4", "queued", 4, 'runner "runner" stopped answering'],
      ["silent-5", "failed", 5, 'gave up after 5 attempts: runner "runner" stopped answering'],
    ])
  })

  it("are parted by pauses of 1, 2, 4 and 8 seconds after failures", async () => {
    for (const [times, pauseMs] of [
      [1, 1000],
      [2, 2000],
      [3, 4000],
      [4, 8000],
    ] as const) {
      await startWorld()
      const offers = await inStore((store) => {
        const before = Date.now()
        store.retry(leased(store, "flaky", times), "device lost")
        const isOffered = (afterMs: number) => store.nextFor("another", before + afterMs) !== undefined
        return [isOffered(pauseMs - 1), isOffered(pauseMs + 500)]
      })
      expect(offers).toEqual([false, true])
    }
  })

  it("follow each other without a pause after silence, and not before the lease has ended", async () => {
    const silent = await inStore((store) => {
      const { leaseExpiresAt } = leased(store, "silent", 1)
      store.expire(leaseExpiresAt! - 1)
      const before = store.find("run-silent")!.status
      store.expire(leaseExpiresAt!)
      return [before, store.nextFor("another", leaseExpiresAt!)?.id]
    })
    expect(silent).toEqual(["leased", "run-silent"])
  })
})

describe("a run whose jobs are done", () => {
  beforeEach(() => startWorld())

  it("has a while to post its next before a newer run's are handed out, in whatever order they ended", async () => {
    const OPEN = ["score-0", "score-1", "score-2", "score-3"]
    const orders = fc.shuffledSubarray(OPEN, { minLength: 4, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(fc.uuid(), orders, async (run, order) => {
        const seen = await inStoreOf(run, (store) => {
          const now = () => store.nextFor("another", Date.now())?.id
          for (const name of OPEN) store.add(run, name, SPEC)
          store.add(`${run}-newer`, "train", SPEC)
          for (const name of OPEN) store.lease(store.find(`${run}-${name}`)!, RUNNER, Date.now() + 60_000)
          const offers = order.map((name) => {
            const offered = now()
            store.finish(`${run}-${name}`, "{}")
            return offered
          })
          const whenDone = [now(), store.nextFor("another", Date.now() + 3000)?.id]
          const isLookedAt = store.nextEventAt()! <= Date.now() + 2000
          const until = Date.now()
          while (Date.now() === until);
          store.add(run, "score-4", SPEC)
          const next = now()
          store.lease(store.find(`${run}-score-4`)!, RUNNER, Date.now() + 60_000)
          return { offers, whenDone, isLookedAt, next, besides: now() }
        })
        const newer = `${run}-newer-train`
        expect(seen).toEqual({
          // One that is open keeps the run from posting: nothing is waited for.
          offers: OPEN.map(() => newer),
          whenDone: [undefined, newer],
          ...{ isLookedAt: true, next: `${run}-score-4`, besides: newer },
        })
      }),
      { numRuns: 12 },
    )
  })

  it("is waited for no longer once it is over, and posts nothing more", async () => {
    const seen = await inStoreOf("over", (store) => {
      leased(store, "train", 1)
      store.add("newer", "train", SPEC)
      store.finish("run-train", "{}")
      const offered = () => store.nextFor("another", Date.now())?.id
      const before = offered()
      store.endRun("run", "the run is over")
      store.add("run", "late", SPEC)
      return [before, offered(), store.find("run-late")]
    })
    expect(seen).toEqual([undefined, "newer-train", undefined])
  })
})

describe("waiting", () => {
  it("lasts as long as was asked, at most 25 seconds, and not at all for what is no time", () => {
    expect([1, 24_999, 25_000, 25_001, 1e12].map(boundedWaitMs)).toEqual([1, 24_999, 25_000, 25_000, 25_000])
    expect([0, -1, Number.NaN].map(boundedWaitMs)).toEqual([0, 0, 0])
  })

  it("ends for all when a job comes, for one when its runner asks again, and by itself", async () => {
    const line = new WaitingLine()
    const [first, other] = [line.wait("first", 10_000), line.wait("other", 10_000)]
    const again = line.wait("first", 10_000)
    expect(await first).toBe("replaced")
    line.wakeAll()
    expect(await Promise.all([other, again])).toEqual(["woken", "woken"])
    const gone = line.wait("first", 10_000)
    line.replace("first")
    expect(await gone).toBe("replaced")
    expect(await line.wait("first", 5)).toBe("timeout")
  })

  it("ends for a runner that asks without waiting, which leaves the next job at its first attempt to another", async () => {
    await startWorld()
    await addPairs(0, 16)
    const ask = (runnerId: string, waitMs: number) => orchestrator.lease({ runnerId, waitMs, adapter: "a test" })
    const waiting = ask("gone", 20_000)
    expect(valueIn(await ask("gone", 0))).toBeNull()
    expect(valueIn(await waiting)).toBeNull()
    const runId = await triggerOnce("left")
    expect(await leaseNext("other")).toMatchObject({ attempt: 1, spec: { runId } })
  })
})

describe("a runner's report", () => {
  beforeEach(async () => {
    await startWorld()
    await addPairs(0, 16)
  })

  it("has at most 1 000 lines of 65 536 characters, from a step that is a whole number of 0 to 1e9", async () => {
    await triggerOnce("report")
    const { jobId, fencingToken } = await leaseNext()
    const send = async (fromStep: number, lines: readonly string[]) => {
      const answer = await orchestrator.metrics({ jobId, fencingToken, fromStep, lines })
      return answer.ok ? "stored" : `${answer.error._tag}: ${answer.error.message}`
    }
    const tooMany = "Invalid: send at most 1000 lines from a step of 0 to 1000000000"
    expect(await send(0, Array(1000).fill("1"))).toBe("stored")
    expect(await send(0, Array(1001).fill("1"))).toBe(tooMany)
    for (const step of [-1, 0.5, Number.NaN, 1_000_000_001, 2 ** 53 - 1]) expect(await send(step, ["1"])).toBe(tooMany)
    expect(await send(0, ["x".repeat(65_536)])).toBe("stored")
    expect(await send(0, ["x".repeat(65_537)])).toBe(
      "Invalid: a metrics line has more than 65536 characters; send numbers only",
    )
  })

  it("of a failure is cut to 4 000 characters", async () => {
    const runId = await triggerOnce("talkative")
    const { jobId, fencingToken } = await leaseNext()
    valueIn(await orchestrator.fail({ jobId, fencingToken, error: "x".repeat(5000), retryable: false }))
    const error = await inPool((store) => store.find(jobId)!.error)
    expect([runId, error]).toEqual([jobId.replace("-train", ""), "x".repeat(4000)])
  })

  it("in a heartbeat under a token that no longer holds changes neither the lease nor its progress", async () => {
    const runId = await triggerOnce("stale")
    const { fencingToken: stale } = await leaseNext()
    const { jobId, fencingToken } = await leaseNext()
    valueIn(await orchestrator.heartbeat({ jobId, fencingToken, progress: { step: 1, steps: 9 } }))
    const before = await inPool((store) => store.find(jobId)!.leaseExpiresAt)
    const answer = await orchestrator.heartbeat({ jobId, fencingToken: stale, progress: { step: 7, steps: 9 } })
    expect(answer).toEqual({
      ok: false,
      error: {
        _tag: "StaleLease",
        message: `token 1 no longer holds job "${jobId}": runner "runner" holds it under token 2; drop the work and lease again`,
      },
    })
    expect(await inPool((store) => store.find(jobId)!.leaseExpiresAt)).toBe(before)
    expect((await getRun(runId)).progress).toEqual({ step: 1, steps: 9 })
  })
})
