// The sweep goes on while somebody may need it: who asks while one is under way comes perhaps after what it has looked at.
import { runInDurableObject } from "cloudflare:test"
import { env } from "cloudflare:workers"
import { beforeEach, expect, it } from "vitest"
import type { RunnerPool } from "#workers/orchestrator/pool/RunnerPool.ts"
import { startWorld } from "./world.ts"

beforeEach(() => startWorld())

/** Lets a sweep that is due find nothing, calls `meanwhile` while it looks, and answers when the next one is. */
const nextSweep = (meanwhile: (pool: RunnerPool) => Promise<void>): Promise<number | undefined> => {
  const pool = (env as unknown as { RUNNER_POOL: DurableObjectNamespace<RunnerPool> }).RUNNER_POOL.getByName("pool")
  return runInDurableObject(pool, async (instance: RunnerPool, state: DurableObjectState) => {
    await state.storage.put("sweepAt", 1)
    const sweep = instance.alarm()
    while ((await state.storage.get<number>("sweepAt")) === 1) await Promise.resolve()
    await meanwhile(instance)
    await sweep
    return state.storage.get<number>("sweepAt")
  })
}

it("ends when nothing is left to look at, and goes on for who asked meanwhile, also for a later time", async () => {
  expect(await nextSweep(() => Promise.resolve())).toBeUndefined()
  expect(await nextSweep((pool) => pool.keepSweeping())).toBeGreaterThan(Date.now())
  expect(await nextSweep((pool) => pool.keepSweeping(Date.now() + 300_000))).toBeGreaterThan(Date.now())
})
