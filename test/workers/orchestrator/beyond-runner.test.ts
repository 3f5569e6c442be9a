// Jobs that a runner cannot do: others are given them, the run says why it stands, and where no runner can it fails with what each has said. Over 300 lines: one story.
import { runInDurableObject } from "cloudflare:test"
import { env } from "cloudflare:workers"
import { beforeEach, describe, expect, it, vi } from "vitest"
import { HOUR_MS } from "#shared/domain/RunLimits.ts"
import type { JobSpec, LeasedJob } from "#shared/wire/job.ts"
import { Declined } from "#workers/orchestrator/pool/Declined.ts"
import { Followers } from "#workers/orchestrator/pool/Followers.ts"
import { JobStore } from "#workers/orchestrator/pool/JobStore.ts"
import { RunClock } from "#workers/orchestrator/pool/RunClock.ts"
import { WaitingLine } from "#workers/orchestrator/pool/WaitingLine.ts"
import { complete, LEARNED, lease, leaseNext, work } from "./test-runner.ts"
import { addPairs, finished, getRun, orchestrator, startWorld, triggerOnce, until, valueIn } from "./world.ts"

const TOO_LARGE = "the weights alone need 16.1 GB, and scoring may take 12.0 GB of the device"
const AWAY = "the hub https://hub.test does not answer (it answers 503)"

beforeEach(async () => {
  await startWorld()
  await addPairs(0, 16)
})

const giveBack = async ({ jobId, fencingToken }: LeasedJob, error: string) =>
  valueIn(await orchestrator.fail({ jobId, fencingToken, error, retryable: false, isBeyondRunner: true }))

describe("a job that a runner's memory does not hold", () => {
  it("is given to another at once, as a first attempt, and ends well there", async () => {
    const runId = await triggerOnce("large")
    await giveBack(await leaseNext("small"), TOO_LARGE)
    const taken = await leaseNext("large")
    expect(taken).toMatchObject({ jobId: `${runId}-train`, attempt: 1, fencingToken: 2 })
    await complete(taken, LEARNED)
    await work(1)
    expect(await finished(runId)).toMatchObject({ status: "succeeded" })
  })

  it("wakes another that waits", async () => {
    await triggerOnce("large")
    const job = await leaseNext("small")
    const waiting = lease("large", 20_000)
    const waking = vi.spyOn(WaitingLine.prototype, "wakeAll")
    await giveBack(job, TOO_LARGE)
    expect(waking).toHaveBeenCalled()
    waking.mockRestore()
    expect(await waiting).toMatchObject({ jobId: job.jobId })
  })
})

describe("a job that no runner can do", () => {
  it("has its run stand with what each of them said", async () => {
    const runId = await triggerOnce("stands")
    await giveBack(await leaseNext("small"), TOO_LARGE)
    await giveBack(await leaseNext("cut off"), AWAY)
    const { standing } = await getRun(runId)
    expect(standing).toMatch(
      /^its job "train" waits for a runner that can do it; it ends at \d{4}-.*Z where none can\. /,
    )
    expect(standing).toContain(`runner "small": ${TOO_LARGE}; runner "cut off": ${AWAY}`)
  })

  it("is given to the same runner again after a while, and done when its hub is back", async () => {
    const runId = await triggerOnce("away")
    await giveBack(await leaseNext(), AWAY)
    const again = await leaseNext()
    expect(again).toMatchObject({ jobId: `${runId}-train`, attempt: 1 })
    await complete(again, LEARNED)
    await work(1)
    expect(await finished(runId)).toMatchObject({ status: "succeeded" })
  })

  it("fails with the reasons when the time for it is over, however often they were asked", async () => {
    const runId = await triggerOnce("never")
    const startedMs = Date.now()
    let asked = 0
    const ask = async (): Promise<boolean> => {
      const job = await lease("small", 200)
      if (job !== null) {
        asked++
        await giveBack(job, TOO_LARGE)
      }
      return (await getRun(runId)).status === "failed"
    }
    await until(ask, (hasFailed) => hasFailed)
    expect((await finished(runId)).error).toBe(
      `train: no runner that asked within 3000 ms can do it: runner "small": ${TOO_LARGE}`,
    )
    expect(asked).toBeGreaterThan(1)
    expect(Date.now() - startedMs).toBeGreaterThanOrEqual(3000)
  })
})

const SPEC: JobSpec = { kind: "train", runId: "run", base: {}, pack: "0".repeat(64), config: {} }

describe("what is known of jobs that were given back", () => {
  const PATIENCE_MS = 60_000
  interface Pool {
    readonly jobs: JobStore
    readonly declined: Declined
    readonly clock: RunClock
    readonly followers: Followers
  }
  const inStore = <A>(use: (pool: Pool) => A): Promise<A> => {
    const stub = (env as unknown as { RUNNER_POOL: DurableObjectNamespace }).RUNNER_POOL.getByName("alone")
    return runInDurableObject(
      stub as never,
      ((_: unknown, { storage: { sql } }: DurableObjectState) => {
        const jobs = new JobStore(sql)
        const followers = new Followers(sql)
        return use({ jobs, followers, declined: new Declined(sql, () => PATIENCE_MS), clock: new RunClock(sql) })
      }) as never,
    ) as Promise<A>
  }
  const leased = ({ jobs }: Pool, name: string, id: string) => {
    jobs.add("run", name, SPEC)
    return jobs.lease(jobs.find(`run-${name}`)!, { id, adapter: "a test" }, Date.now() + PATIENCE_MS)!
  }
  const giveBackAt = (pool: Pool, runnerId: string, now: number) =>
    pool.declined.note(
      { job: pool.jobs.handBack(pool.jobs.find("run-large")!, TOO_LARGE, false), runnerId, reason: TOO_LARGE },
      now,
    )

  it("leaves their runners to the next jobs for a while, and others are given them", async () => {
    const next = await inStore((pool) => {
      leased(pool, "large", "small")
      pool.jobs.add("run", "other", SPEC)
      const now = Date.now()
      giveBackAt(pool, "small", now)
      const nextFor = (runnerId: string, at: number) =>
        pool.jobs.nextFor(runnerId, at, pool.declined.by(runnerId, at))?.name
      return [nextFor("small", now), nextFor("large", now), nextFor("small", now + PATIENCE_MS / 15)]
    })
    expect(next).toEqual(["other", "large", "large"])
  })

  it("ends none while a runner is at work that has not given it back, and says so", async () => {
    const seen = await inStore((pool) => {
      leased(pool, "large", "small")
      giveBackAt(pool, "small", 0)
      const alone = [pool.declined.over(PATIENCE_MS - 1), pool.declined.over(PATIENCE_MS)]
      leased(pool, "other", "large")
      return [...alone, pool.declined.over(PATIENCE_MS), [pool.declined.of("run-large")!.mayBeDone]]
    })
    const reason = `no runner that asked within a minute can do it: runner "small": ${TOO_LARGE}`
    expect(seen).toEqual([[], [{ jobId: "run-large", reason }], [], [true]])
  })

  it("ends none while its runner is at work on another, until that was asked fifteen times", async () => {
    const seen = await inStore((pool) => {
      const { declined, jobs } = pool
      leased(pool, "large", "small")
      giveBackAt(pool, "small", 0)
      const ends: number[] = []
      for (let asked = 1; ends.length === 0 && asked < 20; asked++) {
        const now = asked * 10 * PATIENCE_MS
        const other = leased(pool, `other-${asked}`, "small")
        const whileAtWork = declined.over(now)
        jobs.finish(other.id, "{}")
        const whenDone = declined.over(now)
        if (whileAtWork.length + whenDone.length > 0) ends.push(asked, whileAtWork.length)
        leased(pool, "large", "small")
        giveBackAt(pool, "small", now)
      }
      return ends
    })
    expect(seen).toEqual([15, 1])
  })

  it("ends none between the two jobs of a runner that may do it next", async () => {
    const seen = await inStore((pool) => {
      const { declined, jobs } = pool
      leased(pool, "large", "small")
      giveBackAt(pool, "small", 0)
      const other = leased(pool, "other", "large")
      const interval = PATIENCE_MS / 15
      const lastSeenAt = PATIENCE_MS - interval / 4
      const atWork = declined.over(lastSeenAt)
      jobs.finish(other.id, "{}")
      const at = (share: number) => declined.over(lastSeenAt + share * interval).length
      return [atWork.length, at(0), at(0.99), at(1)]
    })
    expect(seen).toEqual([0, 0, 0, 1])
  })

  it("is forgotten once a runner has worked on it and was lost: others have their time again", async () => {
    const seen = await inStore((pool) => {
      leased(pool, "large", "small")
      giveBackAt(pool, "small", 0)
      leased(pool, "large", "large")
      pool.jobs.expire(Date.now() + 2 * PATIENCE_MS)
      return [pool.declined.of("run-large"), pool.declined.by("small", 0), pool.declined.over(PATIENCE_MS)]
    })
    expect(seen).toEqual([undefined, [], []])
  })

  it("begins anew where it is given back by who has worked on it: that was an attempt, and the run's hours go on", async () => {
    const seen = await inStore((pool) => {
      const { clock, declined, jobs } = pool
      clock.begin("run", { hours: 1, steps: 10 })
      leased(pool, "large", "small")
      giveBackAt(pool, "small", 0)
      const held = leased(pool, "large", "small")
      clock.start("run")
      const startedEndsAt = clock.find("run")!.endsAt
      jobs.extend(held.id, Date.now() + PATIENCE_MS, { step: 0, steps: 0, message: "fetching" })
      const fetching = declined.wasWorkedOn(jobs.find(held.id)!, held.leasedAt! + PATIENCE_MS / 2 - 1)
      const long = declined.wasWorkedOn(jobs.find(held.id)!, held.leasedAt! + PATIENCE_MS / 2)
      jobs.extend(held.id, Date.now() + PATIENCE_MS, { step: 1, steps: 9 })
      const stepping = declined.wasWorkedOn(jobs.find(held.id)!, held.leasedAt!)
      const job = jobs.handBack(jobs.find(held.id)!, TOO_LARGE, true)
      declined.note({ job, runnerId: "small", reason: TOO_LARGE }, PATIENCE_MS)
      clock.unstart("run")
      return {
        wasWorkedOn: { fetching, long, stepping },
        given: [job.attempts, job.error],
        endsAt: declined.of("run-large")!.endsAt,
        hoursGoOn: clock.find("run")!.endsAt === startedEndsAt,
        toldByNext: leased(pool, "large", "large").progress,
      }
    })
    expect(seen).toEqual({
      wasWorkedOn: { fetching: false, long: true, stepping: true },
      given: [1, TOO_LARGE],
      endsAt: 2 * PATIENCE_MS,
      hoursGoOn: true,
      toldByNext: null,
    })
  })

  it("parks a job that five runners have worked on, with what the last said", async () => {
    const parked = await inStore((pool) => {
      for (let attempt = 1; attempt <= 5; attempt++) {
        const held = leased(pool, "large", `runner ${attempt}`)
        pool.jobs.handBack(held, TOO_LARGE, true)
      }
      return pool.jobs.find("run-large")
    })
    expect(parked).toMatchObject({ status: "failed", error: `gave up after 5 attempts: ${TOO_LARGE}` })
  })

  it("counts for runs that waited for the job, from when they began to, and their own jobs are asked for once at least", async () => {
    const seen = await inStore((pool) => {
      const { declined, followers, jobs } = pool
      for (let asked = 1; asked <= 15; asked++) {
        leased(pool, "large", "small")
        giveBackAt(pool, "small", 0)
      }
      const failedAt = PATIENCE_MS
      followers.add({ runId: "early", name: "wait" }, ["run-large"], 10)
      followers.add({ runId: "late", name: "wait" }, ["run-large"], failedAt - 1000)
      jobs.fail("run-large", TOO_LARGE)
      leased(pool, "other", "small")
      return ["early", "late"].map((runId) => {
        declined.passOn({ runId, name: "wait" })
        jobs.add(runId, "score-0", SPEC)
        declined.takeOver({ id: `${runId}-score-0`, runId }, failedAt)
        const { endsAt, mayBeDone } = declined.of(`${runId}-score-0`)!
        return [endsAt - failedAt, mayBeDone, declined.by("small", failedAt)]
      })
    })
    expect(seen).toEqual([
      [PATIENCE_MS / 15, true, []],
      [PATIENCE_MS - 1000, true, []],
    ])
  })

  it("does not where a job that they waited for was worked on: others can do theirs", async () => {
    const seen = await inStore((pool) => {
      const { declined, followers, jobs } = pool
      leased(pool, "large", "small")
      giveBackAt(pool, "small", 0)
      leased(pool, "other", "large")
      const follower = { runId: "second", name: "wait" }
      followers.add(follower, ["run-large", "run-other"], 0)
      jobs.failRun("run", TOO_LARGE)
      declined.passOn(follower)
      jobs.add("second", "score-0", SPEC)
      declined.takeOver({ id: "second-score-0", runId: "second" }, PATIENCE_MS)
      return declined.of("second-score-0")
    })
    expect(seen).toBeUndefined()
  })

  it("starts no run's hours: they begin with the runner that works on it", async () => {
    const [before, during, after] = await inStore((pool) => {
      const { clock } = pool
      clock.begin("run", { hours: 1, steps: 10 })
      const endsAt = () => clock.find("run")!.endsAt
      const ends = [endsAt()]
      leased(pool, "large", "small")
      clock.start("run")
      ends.push(endsAt())
      giveBackAt(pool, "small", 0)
      clock.unstart("run")
      return [...ends, endsAt()]
    })
    expect(during! - Date.now()).toBeLessThanOrEqual(HOUR_MS)
    expect(after! - before!).toBeGreaterThanOrEqual(0)
    expect(after! - before!).toBeLessThan(HOUR_MS)
  })
})
