// Runs side by side that need the same log-probs: one asks for them, the others wait for its jobs, and look again when those have ended.
import { runInDurableObject } from "cloudflare:test"
import { beforeEach, describe, expect, it, vi } from "vitest"
import { blobKey } from "#shared/wire/blobs.ts"
import type { ScoreJob } from "#shared/wire/job.ts"
import { decodeSheet } from "#shared/wire/score-sheet.ts"
import { poolOf } from "#workers/orchestrator/Environment.ts"
import { Followers } from "#workers/orchestrator/pool/Followers.ts"
import { JobStore } from "#workers/orchestrator/pool/JobStore.ts"
import type { RunnerPool } from "#workers/orchestrator/pool/RunnerPool.ts"
import { ScoreSheets } from "#workers/orchestrator/pool/ScoreSheets.ts"
import { placeAt, sayTheSame } from "./score-world.ts"
import { complete, handIn, LEARNED, lease, leaseNext, type PackJob } from "./test-runner.ts"
import {
  addPairs,
  bindings,
  createDataset,
  finished,
  getRun,
  orchestrator,
  startWorld,
  triggerOnce,
  until,
  valueIn,
} from "./world.ts"

const PAIRS = 8

const inPool = <A>(use: (pool: RunnerPool, state: DurableObjectState) => Promise<A>): Promise<A> =>
  runInDurableObject(poolOf(bindings) as never, use as never) as Promise<A>

beforeEach(async () => {
  await startWorld()
  await placeAt("runner")
  await addPairs(0, PAIRS)
  await createDataset("other")
  await placeAt("runner", "stored", "other")
  await addPairs(0, PAIRS, "other")
  await sayTheSame("other")
})

/** Waits until the run has done a step. */
const hasDone = (runId: string, step: string) =>
  until(
    () => bindings.WORKFLOW_RUN.getByName(runId).status(),
    (status) => status!.activities.some(({ name, isFinished }) => name === step && isFinished),
  )

/** The responses that a job asks for. */
const askedBy = async ({ sheet }: ScoreJob): Promise<string[]> => {
  const stored = await bindings.BLOBS.get(blobKey(sheet))
  return decodeSheet(new Uint8Array(await stored!.arrayBuffer()))
    .flatMap(({ chosen, rejected }) => [chosen, rejected])
    .flatMap(({ digest, isWanted }) => (isWanted ? [digest] : []))
}

/** Does jobs until these runs have their pack; resolves to all responses that were asked for. */
const workUntilPacked = async (runIds: readonly string[]): Promise<string[]> => {
  const asked: string[] = []
  const arePacked = async () =>
    (await Promise.all(runIds.map(getRun))).every(({ status, detail }) => status !== "running" || detail.pack)
  while (!(await arePacked())) {
    const job = await lease("runner", 200)
    if (job === null) continue
    if (job.spec.kind === "score") asked.push(...(await askedBy(job.spec)))
    await complete(job, LEARNED)
  }
  return asked
}

describe("runs that begin within a moment of each other", () => {
  it.each([
    ["of two datasets", (key: string) => triggerOnce(key, { datasetId: key === "second" ? "other" : "support" })],
    ["of one dataset", (key: string) => triggerOnce(key, { config: { seed: key.length }, force: true })],
  ])("%s have no response scored twice, and count what the other computed as found", async (_, trigger) => {
    const runIds = await Promise.all(["first", "second"].map(trigger))
    for (const runId of runIds) await hasDone(runId, "score/cut/0")
    const asked = await workUntilPacked(runIds)
    expect([asked.length, new Set(asked).size]).toEqual([2 * PAIRS, 2 * PAIRS])
    const scores = await Promise.all(runIds.map(async (runId) => (await getRun(runId)).detail.score))
    expect(scores.toSorted((a, b) => b!.computed - a!.computed)).toEqual([
      { computed: 2 * PAIRS, fromCache: 0, place: "runner" },
      { computed: 0, fromCache: 2 * PAIRS, place: "runner" },
    ])
  })

  it("and need other responses besides are asked for those alone", async () => {
    await addPairs(PAIRS, PAIRS + 4, "other")
    const first = await triggerOnce("first")
    await hasDone(first, "score-0/post")
    const second = await triggerOnce("second", { datasetId: "other" })
    await hasDone(second, "score-0/post")
    const asked = await workUntilPacked([first, second])
    expect([asked.length, new Set(asked).size]).toEqual([24, 24])
    expect((await getRun(second)).detail.score).toEqual({ computed: 8, fromCache: 16, place: "runner" })
  })
})

describe("a run that waits for another's job", () => {
  /** Two runs, the second of which waits for the job of the first. */
  const waiting = async (): Promise<{ first: string; second: string; job: PackJob }> => {
    const first = await triggerOnce("first")
    await hasDone(first, "score-0/post")
    const second = await triggerOnce("second", { datasetId: "other" })
    await hasDone(second, "score/others/0")
    return { first, second, job: await leaseNext() }
  }

  it("says so", async () => {
    const { first, second } = await waiting()
    expect((await getRun(second)).standing).toBe(`pairs of it are being scored for run "${first}"`)
  })

  it("has what is missing scored itself when the other is cancelled, and not what came of it", async () => {
    const { first, second, job } = await waiting()
    valueIn(await handIn(job, 0, 3))
    valueIn(await orchestrator.cancelRun(first))
    const own = await leaseNext()
    expect(own.jobId).toMatch(new RegExp(`^${second}-score-`))
    expect(own.spec).toMatchObject({ kind: "score", pairs: PAIRS - 3 })
    await complete(own, LEARNED)
    await workUntilPacked([second])
    expect((await getRun(second)).detail.score).toEqual({ computed: 10, fromCache: 6, place: "runner" })
  })

  it("has everything scored itself when the other's job fails for good", async () => {
    const { first, second, job } = await waiting()
    const { jobId, fencingToken } = job
    valueIn(await orchestrator.fail({ jobId, fencingToken, error: "the disk is damaged", retryable: false }))
    expect(await finished(first)).toMatchObject({ status: "failed" })
    await workUntilPacked([second])
    expect((await getRun(second)).detail.score).toEqual({ computed: 16, fromCache: 0, place: "runner" })
  })

  it("fails with what runners said of the other's where nobody can do it, and not after another wait of the same length", async () => {
    const { first, second, job } = await waiting()
    const { jobId, fencingToken } = job
    const error = "too large for this device"
    valueIn(await orchestrator.fail({ jobId, fencingToken, error, retryable: false, isBeyondRunner: true }))
    // Nobody asks for the second's own job: of it alone nothing would be known, and it would wait for days.
    const reason = /no runner that asked within 3000 ms can do it: runner "runner": too large for this device$/
    expect((await finished(first)).error).toMatch(reason)
    expect((await finished(second)).error).toMatch(reason)
  })

  it("goes on waiting while a killed runner's job is done by another", async () => {
    const { first, second, job } = await waiting()
    valueIn(await handIn(job, 0, 3))
    const taken = await leaseNext("another")
    expect(taken).toMatchObject({ jobId: `${first}-score-0`, scored: 3 })
    await complete(taken, LEARNED)
    expect(await workUntilPacked([first, second])).toEqual([])
    expect((await getRun(second)).detail.score).toEqual({ computed: 0, fromCache: 16, place: "runner" })
  })

  it("may be cancelled meanwhile", async () => {
    const { first, second, job } = await waiting()
    valueIn(await orchestrator.cancelRun(second))
    await complete(job, LEARNED)
    await workUntilPacked([first])
    expect((await getRun(first)).detail.score).toEqual({ computed: 16, fromCache: 0, place: "runner" })
    expect(await getRun(second)).toMatchObject({ status: "cancelled" })
  })
})

describe("a score job that was cut before another run's was posted", () => {
  it("is cut three times anew, and then posted all the same", async () => {
    const prototype = await inPool(async (pool) => Object.getPrototypeOf(pool) as RunnerPool)
    const { post } = prototype
    const overtaken: string[] = []
    const posting = vi.spyOn(prototype, "post").mockImplementation(function (this: RunnerPool, ...args) {
      const [, name, { kind }, , last] = args
      if (kind !== "score" || last === undefined) return post.apply(this, args)
      overtaken.push(name)
      return Promise.resolve(false)
    })
    try {
      const runId = await triggerOnce("busy")
      expect((await leaseNext("runner", 25_000)).jobId).toBe(`${runId}-score-3`)
      expect(overtaken).toEqual(["score-0", "score-1", "score-2"])
    } finally {
      posting.mockRestore()
    }
  })

  it("is not posted, and is once more when nothing came between", async () => {
    const pool = poolOf(bindings)
    const digest = "a".repeat(64)
    const job = (runId: string, reference = digest): ScoreJob => ({
      ...{ kind: "score", runId, base: {}, pack: digest, pairs: 1, sheet: digest },
      ...{ precision: "stored", reference },
    })
    const { last } = await pool.askedSheets("two", digest, 0, [])
    expect(await pool.post("one", "score-0", job("one"), undefined, last)).toBe(true)
    expect(await pool.post("two", "score-0", job("two"), undefined, last)).toBe(false)
    expect(await pool.post("two", "score-1", job("two", "b".repeat(64)), undefined, last)).toBe(true)
    const now = await pool.askedSheets("two", digest, 0, [])
    expect(now.sheets).toEqual([{ jobId: "one-score-0", sheet: digest, pairs: 1, isOwn: false, isOpen: true }])
    expect(await pool.post("two", "score-2", job("two"), undefined, now.last)).toBe(true)
    // A step that is done again posts what is there.
    expect(await pool.post("one", "score-0", job("one"), undefined, last)).toBe(true)
  })
})

describe("what the pool knows of jobs for a reference", () => {
  const digest = "a".repeat(64)
  const job: ScoreJob = {
    ...{ kind: "score", runId: "one", base: {}, pack: digest, pairs: 1, sheet: digest },
    ...{ precision: "stored", reference: digest },
  }
  /** Tables that nobody else looks into, with two jobs of a run. */
  const inTables = <A>(name: string, use: (sql: SqlStorage, jobs: JobStore) => A): Promise<A> => {
    const run = (_: unknown, { storage }: DurableObjectState) => {
      const jobs = new JobStore(storage.sql)
      for (const each of ["score-0", "score-1"]) jobs.add("one", each, job)
      return use(storage.sql, jobs)
    }
    return runInDurableObject(bindings.RUNNER_POOL.getByName(name) as never, run as never) as Promise<A>
  }
  const follower = { runId: "two", name: "others" }
  const followed = ["one-score-0", "one-score-1"]

  it("frees a run that waits once none of them is queued or leased", async () => {
    const freed = await inTables("freed", (sql, jobs) => {
      const followers = new Followers(sql)
      followers.add(follower, followed, 0)
      const queued = followers.freed()
      jobs.lease(jobs.find("one-score-0")!, { id: "runner", adapter: "a test" }, Date.now() + 60_000)
      jobs.finish("one-score-1", "{}")
      const leased = followers.freed()
      jobs.finish("one-score-0", "{}")
      return [queued, leased, followers.freed()]
    })
    expect(freed).toEqual([[], [], [follower]])
  })

  it("lets a run wait for nothing that was cancelled before it began to", async () => {
    const waits = await inTables("cancelled", (sql, jobs) => {
      const followers = new Followers(sql)
      jobs.endRun("two", "the run was cancelled")
      followers.add(follower, followed, 0)
      followers.add({ ...follower, runId: "three" }, followed, 0)
      return [followers.followedBy("two"), followers.followedBy("three")]
    })
    expect(waits).toEqual([[], ["one"]])
  })

  it("names those that are open, ended not long ago, or are asked for", async () => {
    const sheets = await inTables("sheets", (sql, jobs) => {
      const known = new ScoreSheets(sql)
      jobs.finish("one-score-0", "{}")
      const [{ endedAt }] = sql
        .exec<{ endedAt: number }>("SELECT updated_at AS endedAt FROM jobs WHERE id = 'one-score-0'")
        .toArray() as [{ endedAt: number }]
      const idsOf = (endedAfter: number, own: readonly string[]) =>
        known.of(digest, endedAfter, own).map(({ jobId, isOwn, isOpen }) => [jobId, isOwn, isOpen])
      return [idsOf(endedAt - 1, []), idsOf(endedAt, []), idsOf(endedAt, ["one-score-0"])]
    })
    const open = ["one-score-1", false, true]
    expect(sheets).toEqual([[open, ["one-score-0", false, false]], [open], [open, ["one-score-0", true, false]]])
  })
})
