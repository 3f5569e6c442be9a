// What a job keeps while it is done: whoever takes it up reads it, whoever has lost it adds nothing, and it goes with its end.

import { runInDurableObject } from "cloudflare:test"
import { env } from "cloudflare:workers"
import { beforeEach, expect, it } from "vitest"
import { LIMITS } from "#shared/wire/limits.ts"
import { complete, LEARNED, leaseNext } from "./test-runner.ts"
import { addPairs, orchestrator, startWorld, triggerOnce, until, valueIn } from "./world.ts"

beforeEach(async () => {
  await startWorld()
  await addPairs(0, 8)
})

const held = async (runner: string) => {
  const job = await leaseNext(runner)
  const { jobId, fencingToken } = job
  return {
    job,
    keep: (from: number, lines: readonly string[]) => orchestrator.keep({ jobId, fencingToken, from, lines }),
    kept: (from: number) => orchestrator.kept({ jobId, fencingToken, from }),
    giveUp: () => orchestrator.fail({ jobId, fencingToken, error: "stopped", retryable: true }),
  }
}

it("is read by the next runner from any line, and is not added to by the one before", async () => {
  await triggerOnce("kept")
  const first = await held("first")
  expect(valueIn(await first.keep(0, ["a", "b"]))).toEqual({ kept: 2 })
  // Its answer was lost, and it is sent again with more.
  expect(valueIn(await first.keep(1, ["b", "c"]))).toEqual({ kept: 3 })
  expect(await first.keep(1, ["b", "other", "d"])).toMatchObject({
    ok: false,
    error: { _tag: "Invalid", message: expect.stringMatching(/^line 2 is kept with another text, which stays/) },
  })
  valueIn(await first.giveUp())
  const second = await held("second")
  expect(valueIn(await second.kept(0))).toEqual(["a", "b", "c"])
  expect([valueIn(await second.kept(2)), valueIn(await second.kept(3))]).toEqual([["c"], []])
  expect(await first.keep(3, ["late"])).toMatchObject({ ok: false, error: { _tag: "StaleLease" } })
  expect(await first.kept(0)).toMatchObject({ ok: false, error: { _tag: "StaleLease" } })
  expect(valueIn(await second.keep(3, ["d"]))).toEqual({ kept: 4 })
})

it("has no gaps, no endless line, and an end", async () => {
  await triggerOnce("bounds")
  const { keep, kept } = await held("runner")
  expect(await keep(1, ["b"])).toMatchObject({
    ok: false,
    error: { _tag: "Invalid", message: "the job keeps 0 lines and these begin at 1; send those between first" },
  })
  expect(await keep(0, ["x".repeat(LIMITS.keptLineCharacters + 1)])).toMatchObject({
    ok: false,
    error: { _tag: "Invalid" },
  })
  const line = "y".repeat(LIMITS.keptLineCharacters)
  valueIn(
    await keep(
      0,
      Array.from({ length: 6 }, () => line),
    ),
  )
  // A page is a mebibyte: four such lines; a longer line would come alone.
  expect(valueIn(await kept(0))).toHaveLength(4)
  expect(valueIn(await kept(4))).toHaveLength(2)
})

const count = () => {
  const pool = (env as unknown as { RUNNER_POOL: DurableObjectNamespace }).RUNNER_POOL.getByName("pool")
  return runInDurableObject(
    pool as never,
    (_: unknown, { storage }: DurableObjectState) => storage.sql.exec("SELECT count(*) AS lines FROM kept").one().lines,
  )
}

it("goes when the run fails, or is cancelled", async () => {
  await triggerOnce("fails")
  const first = await held("runner")
  valueIn(await first.keep(0, ["a"]))
  const { jobId, fencingToken, spec } = first.job
  valueIn(await orchestrator.fail({ jobId, fencingToken, error: "for good", retryable: false }))
  await until(count, (lines) => lines === 0)
  await triggerOnce("cancelled")
  const second = await held("runner")
  valueIn(await second.keep(0, ["a"]))
  valueIn(await orchestrator.cancelRun(second.job.spec.runId))
  await until(count, (lines) => lines === 0)
  expect(second.job.spec.runId).not.toBe(spec.runId)
})

it("goes when the job is done, and with its run", async () => {
  await triggerOnce("ends")
  const { job, keep } = await held("runner")
  valueIn(await keep(0, ["a"]))
  expect(await count()).toBe(1)
  await complete(job, LEARNED)
  await until(count, (lines) => lines === 0)
})
