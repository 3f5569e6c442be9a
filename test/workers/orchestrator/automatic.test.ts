// The sweep over datasets whose runs start by themselves: each has its turn, whatever becomes of the others, and a few at a time.
import { runInDurableObject } from "cloudflare:test"
import { env } from "cloudflare:workers"
import { beforeEach, describe, expect, it, vi } from "vitest"
import type { Environment } from "#workers/orchestrator/Environment.ts"
import type { RunnerPool } from "#workers/orchestrator/pool/RunnerPool.ts"
import { sweepAutomatic } from "#workers/orchestrator/runs/sweep.ts"
import { lookAtThreshold } from "#workers/orchestrator/runs/threshold.ts"
import { leaseNext } from "./test-runner.ts"
import { addPairs, bindings, createDataset, DATASET, orchestrator, sleep, startWorld, until, valueIn } from "./world.ts"

beforeEach(() => startWorld())

const execute = (sql: string, ...values: readonly (string | number)[]) =>
  bindings.DB.prepare(sql)
    .bind(...values)
    .run()

const DATASETS = Array.from({ length: 12 }, (_, index) => `dataset-${String(index).padStart(2, "0")}`)
/** A run of theirs cannot be read. */
const UNREADABLE = DATASETS.filter((_, index) => index % 4 === 1)
/** A run is due and cannot be started. */
const UNSTARTABLE = DATASETS.filter((_, index) => index % 4 === 2)
/** Pairs came just now, and they wait for quiet. */
const QUIET = DATASETS.filter((id) => ![...UNREADABLE, ...UNSTARTABLE].includes(id))

const makeDatasets = async () => {
  for (const id of DATASETS) {
    await createDataset(id, 4)
    await addPairs(0, 4, id)
  }
  await execute("UPDATE datasets SET quiet_seconds = 60, look_due_at = 1 WHERE retrain_threshold > 0")
  for (const id of UNREADABLE)
    await execute(
      `INSERT INTO runs (id, dataset_id, trigger, method, status, step, detail, created_at, updated_at)
       VALUES (?1, ?1, 'api', 'dpo', 'succeeded', 'done', 'no JSON', 0, 0)`,
      id,
    )
  for (const id of UNSTARTABLE) {
    await execute("UPDATE datasets SET reference_version = 9 WHERE id = ?", id)
    await execute("UPDATE pairs SET created_at = 1 WHERE dataset_id = ?", id)
  }
}

const countDue = async () =>
  (await bindings.DB.prepare("SELECT count(*) AS due FROM datasets WHERE look_due_at <= ?")
    .bind(Date.now())
    .first<number>("due"))!

/** All pages; resolves to how many datasets each looked at. */
const sweepAll = async (environment: Environment, pageSize: number) => {
  const pages: number[] = []
  for (let [due, next] = [await countDue(), 0]; next <= Date.now(); ) {
    next = await sweepAutomatic(environment, pageSize)
    const left = await countDue()
    pages.push(due - left)
    due = left
  }
  return pages
}

const faultsNow = async () => {
  const { results } = await bindings.DB.prepare(
    "SELECT id, trigger_fault AS fault FROM datasets WHERE trigger_fault IS NOT NULL ORDER BY id",
  ).all<{ id: string; fault: string }>()
  return results
}

const inPool = <A>(use: (pool: RunnerPool, state: DurableObjectState) => Promise<A>): Promise<A> => {
  const pool = (env as unknown as { RUNNER_POOL: DurableObjectNamespace<RunnerPool> }).RUNNER_POOL.getByName("pool")
  return runInDurableObject(pool, use)
}

/** A run that stands: nobody but a sweep sees that its execution was never stored. */
const addStandingRun = () =>
  execute(
    `INSERT INTO runs (id, dataset_id, trigger, method, status, step, detail, created_at, updated_at)
     VALUES ('standing', ?, 'api', 'dpo', 'running', 'snapshot', '{}', 0, 0)`,
    DATASET,
  )

/** Does one sweep of the pool, which is one page of datasets and asks for no other, and says what became of the standing run. */
const sweepOnce = () =>
  inPool(async (instance, state) => {
    const asking = vi.spyOn(Object.getPrototypeOf(instance) as RunnerPool, "keepSweeping").mockResolvedValue()
    await state.storage.put("sweepAt", 1)
    await instance.alarm()
    const [next = Number.POSITIVE_INFINITY] = asking.mock.lastCall!
    asking.mockRestore()
    const standing = await bindings.DB.prepare("SELECT status FROM runs WHERE id = 'standing'").first("status")
    return { isLastPage: next > Date.now(), standing }
  })

describe("the sweep over datasets", () => {
  it.each([1, 5, 12, 200])("looks at every one, %i a page, though some cannot be read or started", async (pageSize) => {
    await makeDatasets()
    const before = Date.now()
    const pages = await sweepAll(bindings, pageSize)
    expect(pages).toHaveLength(Math.ceil(DATASETS.length / pageSize))
    expect(Math.max(...pages)).toBe(Math.min(pageSize, DATASETS.length))
    const { results } = await bindings.DB.prepare(
      "SELECT look_due_at AS at FROM datasets WHERE look_due_at IS NOT NULL",
    ).all<{ at: number }>()
    expect(results).toHaveLength(DATASETS.length)
    expect(results.every(({ at }) => at > before && at <= Date.now() + 60_000)).toBe(true)
    expect((await faultsNow()).map(({ id }) => id)).toEqual([...UNREADABLE, ...UNSTARTABLE].sort())
  })

  it("tells what is in the way where the trigger is looked at, and starts the run when it is mended", async () => {
    await makeDatasets()
    await sweepAll(bindings, 5)
    const [unstartable] = UNSTARTABLE
    const look = async (id: string) => valueIn(await orchestrator.automaticRuns(id))
    expect(await look(unstartable!)).toMatchObject({
      state: "due",
      fault: 'the dataset\'s base model "tiny" version 9 is not registered; register it',
    })
    expect(await look(QUIET[0]!)).not.toHaveProperty("fault")
    expect(await orchestrator.automaticRuns(UNREADABLE[0]!)).toMatchObject({
      ok: false,
      error: { _tag: "Unavailable", message: expect.stringMatching(/no JSON/) },
    })
    await execute("UPDATE datasets SET reference_version = 1, look_due_at = 1 WHERE id = ?", unstartable!)
    await sweepAll(bindings, 5)
    expect(await look(unstartable!)).toMatchObject({ state: "running" })
    expect(await look(unstartable!)).not.toHaveProperty("fault")
    await leaseNext()
  })

  it("is told too when pairs became ready", async () => {
    await makeDatasets()
    const id = UNSTARTABLE[0]!
    await inPool((_, state) => state.storage.delete("sweepAt"))
    expect(await orchestrator.pairsReady(id)).toMatchObject({ ok: false, error: { _tag: "Invalid" } })
    expect(await faultsNow()).toEqual([{ id, fault: expect.stringMatching(/version 9 is not registered/) }])
    // Nothing else may happen that would have the dataset looked at again.
    const sweepAt = await inPool((_, state) => state.storage.get<number>("sweepAt"))
    expect(sweepAt).toBeLessThanOrEqual(Date.now() + 60_000)
  })

  it("looks at four at a time", { timeout: 20_000 }, async () => {
    await makeDatasets()
    const begun = new Set<string>()
    const held: (() => void)[] = []
    const together: number[] = []
    /** Holds the first query of a look until four are held, and a while longer: a fifth would come then. */
    const turn = () =>
      new Promise<void>((resolve) => {
        held.push(resolve)
        if (held.length !== 4) return
        void sleep(50).then(() => {
          together.push(held.length)
          for (const go of held.splice(0)) go()
        })
      })
    const bind = (statement: D1PreparedStatement, values: readonly unknown[]) => {
      const bound = statement.bind(...values)
      const id = DATASETS.find((dataset) => values.includes(dataset))
      if (id === undefined || begun.has(id)) return bound
      begun.add(id)
      return { first: () => turn().then(() => bound.first()) }
    }
    const prepare = (sql: string) => {
      const statement = bindings.DB.prepare(sql)
      return { bind: (...values: readonly unknown[]) => bind(statement, values) }
    }
    await sweepAutomatic({ ...bindings, DB: { prepare } as unknown as D1Database })
    expect(together).toEqual([4, 4, 4])
  })

  it("goes on page by page in the pool, so that the last of very many has its turn", async () => {
    const many = Array.from({ length: 205 }, (_, index) => `many-${String(index).padStart(3, "0")}`)
    const insertion = bindings.DB.prepare(
      `INSERT INTO datasets (id, reference_model, reference_version, max_length, retrain_threshold, retrain_config, created_at, quiet_seconds, look_due_at)
       VALUES (?, 'tiny', 1, 64, 4, '{}', 0, 60, 1)`,
    )
    await bindings.DB.batch(many.map((id) => insertion.bind(id)))
    const last = many.at(-1)!
    await addPairs(0, 4, last)
    await execute("UPDATE pairs SET created_at = 1")
    await addStandingRun()
    expect(await sweepOnce()).toEqual({ isLastPage: false, standing: "failed" })
    await inPool((instance) => instance.keepSweeping(1))
    await until(
      async () => valueIn(await orchestrator.automaticRuns(last)),
      ({ state }) => state === "running",
    )
    await leaseNext()
  })

  it("looks at runs also while a dataset waits for quiet", async () => {
    await makeDatasets()
    expect(valueIn(await orchestrator.automaticRuns(QUIET[0]!))).toMatchObject({ state: "quiet" })
    await addStandingRun()
    expect(await sweepOnce()).toEqual({ isLastPage: true, standing: "failed" })
  })
})

it("pairs that became ready are not counted where no number of them starts a run", async () => {
  await createDataset("off")
  await createDataset("on", 100)
  const asked: string[] = []
  const prepare = (sql: string) => {
    asked.push(sql)
    return bindings.DB.prepare(sql)
  }
  const watched = { ...bindings, DB: { prepare } as unknown as D1Database }
  const look = async (id: string) => {
    asked.length = 0
    expect(await lookAtThreshold(watched, id)).toMatchObject({ ok: true, value: { runId: null } })
    return asked.filter((sql) => /FROM pairs/.test(sql)).length
  }
  expect(await look("off")).toBe(0)
  expect(await look("on")).toBeGreaterThan(0)
})

it("sweeps of two quiet datasets, for which nothing is due, end", async () => {
  for (const [index, id] of ["b", "c"].entries()) {
    await createDataset(id, 1000)
    await addPairs(index * 100, index * 100 + 40, id)
    await bindings.DB.prepare("UPDATE datasets SET quiet_seconds = 60 WHERE id = ?").bind(id).run()
  }
  const from = Date.now() + 100_000
  let now = from
  vi.spyOn(Date, "now").mockImplementation(() => now)
  try {
    valueIn(await orchestrator.pairsReady("b"))
    now = from + 1
    valueIn(await orchestrator.pairsReady("c"))
    valueIn(await orchestrator.pairsReady("b"))
    let next = from + 2
    for (let sweep = 0; sweep < 12 && Number.isFinite(next); sweep++) {
      now = next
      next = await sweepAutomatic(bindings)
    }
    expect(next).toBe(Number.POSITIVE_INFINITY)
  } finally {
    vi.restoreAllMocks()
  }
})
