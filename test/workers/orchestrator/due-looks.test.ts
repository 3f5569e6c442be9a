// When a dataset is looked at: what asks for a look is never forgotten, whatever goes on meanwhile, and ready pairs ask for few.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import type { Environment } from "#workers/orchestrator/Environment.ts"
import { putLookOff } from "#workers/orchestrator/runs/due-looks.ts"
import { LookPace } from "#workers/orchestrator/runs/LookPace.ts"
import { recordCancellation, recordOutcome } from "#workers/orchestrator/runs/run-rows.ts"
import { sweepAutomatic } from "#workers/orchestrator/runs/sweep.ts"
import { lookAtThreshold, lookNow } from "#workers/orchestrator/runs/threshold.ts"
import { addPairs, bindings, createDataset, DATASET, orchestrator, startWorld, valueIn } from "./world.ts"

const now = Date.now()

beforeEach(async () => {
  await startWorld(10)
  vi.spyOn(Date, "now").mockReturnValue(now)
})
afterEach(() => {
  vi.restoreAllMocks()
})

const execute = (sql: string, ...values: readonly (string | number | null)[]) =>
  bindings.DB.prepare(sql)
    .bind(...values)
    .run()

const dueAt = (id = DATASET) =>
  bindings.DB.prepare("SELECT look_due_at AS due FROM datasets WHERE id = ?").bind(id).first<number | null>("due")

const ask = (at: number | null) => execute("UPDATE datasets SET look_due_at = ?", at)

const addRun = () =>
  execute(
    `INSERT INTO runs (id, dataset_id, trigger, method, status, step, detail, created_at, updated_at)
     VALUES ('run', ?, 'threshold', 'dpo', 'running', 'train', '{}', 0, 0)`,
    DATASET,
  )

/** A pool that notes when it is asked to sweep, and its times; the real one would look too. */
const quietly = (DB: D1Database = bindings.DB) => {
  const asked: number[] = []
  const keepSweeping = async (at = Number.POSITIVE_INFINITY) => void asked.push(at)
  const env = { ...bindings, DB, RUNNER_POOL: { getByName: () => ({ keepSweeping }) } as never } satisfies Environment
  return { asked, env }
}

/** The database, in which something happens behind the query of this kind. */
const meanwhile = (query: RegExp, happens: () => Promise<unknown>): D1Database => {
  const prepare = (sql: string) => {
    const statement = bindings.DB.prepare(sql)
    if (!query.test(sql)) return statement
    const all = async (values: readonly unknown[]) => {
      const answer = await statement.bind(...values).all()
      await happens()
      return answer
    }
    return { bind: (...values: readonly unknown[]) => ({ all: () => all(values) }) }
  }
  return { prepare, batch: bindings.DB.batch.bind(bindings.DB) } as unknown as D1Database
}
const LAST_RUNS = /FROM runs WHERE dataset_id/
/** Behind the count of pairs. */
const VERDICTS = /AS ups/

describe("a run's end", () => {
  const { env } = quietly()
  const ends: Record<string, (environment: Environment) => Promise<void>> = {
    succeeded: (environment) => recordOutcome(environment, "run", undefined),
    failed: (environment) => recordOutcome(environment, "run", "no memory"),
    cancelled: (environment) => recordCancellation(environment, "run"),
  }
  const statusNow = () => bindings.DB.prepare("SELECT status FROM runs").first("status")

  it.each(Object.keys(ends))("has its dataset looked at, at once: %s", async (end) => {
    await addRun()
    await ask(now + 5000)
    const { asked, env } = quietly()
    await ends[end]!(env)
    expect([await statusNow(), await dueAt(), asked]).toEqual([end, now, [now]])
  })

  it("is told to the pool again where it did not answer, and asks for no second look", async () => {
    await addRun()
    const away = { getByName: () => ({ keepSweeping: () => Promise.reject(new Error("away")) }) } as never
    await expect(recordOutcome({ ...bindings, RUNNER_POOL: away }, "run", undefined)).rejects.toThrow("away")
    expect([await statusNow(), await dueAt()]).toEqual(["succeeded", now])
    await ask(null)
    const { asked, env } = quietly()
    await recordOutcome(env, "run", undefined)
    expect([await dueAt(), asked]).toEqual([null, [now]])
  })

  it("asks for nothing where the dataset starts no runs", async () => {
    await addRun()
    await execute("UPDATE datasets SET retrain_threshold = NULL")
    await recordOutcome(env, "run", undefined)
    expect([await statusNow(), await dueAt()]).toEqual(["succeeded", null])
  })

  it.each(Object.keys(ends))("is not taken for seen by a look that saw the run under way: %s", async (end) => {
    await addRun()
    await addPairs(0, 12)
    // In the same millisecond in which the look that is being made was due.
    await ask(now)
    const { env } = quietly(meanwhile(LAST_RUNS, () => ends[end]!(quietly().env)))
    expect(await lookNow(env, DATASET)).toMatchObject({ ok: true, value: { runId: null } })
    expect([await statusNow(), await dueAt()]).toEqual([end, now])
  })
})

describe("a look", () => {
  it("that was due is over when it has decided, and one of a run under way too, whose end asks again", async () => {
    await addPairs(0, 4)
    await ask(now - 1)
    const { asked, env } = quietly()
    await lookNow(env, DATASET)
    expect([await dueAt(), asked]).toEqual([null, []])
    await addRun()
    await ask(now)
    await lookNow(env, DATASET)
    expect([await dueAt(), asked]).toEqual([null, []])
  })

  it.each([null, 9, 7, 0, -1])(
    "leaves what was put off while it was made; due when it began, in ms: %s",
    async (due) => {
      await addPairs(0, 4)
      await ask(due === null ? null : now + due)
      await lookNow(quietly(meanwhile(LAST_RUNS, () => putLookOff(quietly().env, DATASET, now + 7))).env, DATASET)
      expect(await dueAt()).toBe(now + 7)
      await lookNow(quietly().env, DATASET)
      expect(await dueAt()).toBeNull()
    },
  )

  it("leaves what was put off to the very time for which it is made, by a clock that is behind", async () => {
    await addPairs(0, 4)
    await ask(now - 1)
    await lookNow(quietly(meanwhile(LAST_RUNS, () => putLookOff(quietly().env, DATASET, now - 1))).env, DATASET)
    expect(await dueAt()).toBe(now - 1)
  })

  it("leaves what another found meanwhile that has to be waited for, whose pairs it had not counted", async () => {
    await ask(now - 1)
    await execute("UPDATE datasets SET quiet_seconds = 60")
    const other = async () => {
      await addPairs(0, 10)
      await lookNow(quietly().env, DATASET)
    }
    await lookNow(quietly(meanwhile(VERDICTS, other)).env, DATASET)
    expect(await dueAt()).toBe(now + 60_000)
  })

  it("that is put off is due by the earliest time that was asked for, and the pool is told each time", async () => {
    const { asked, env } = quietly()
    const times = [now + 7, now + 9, now + 5]
    const kept: (number | null)[] = []
    for (const time of times) {
      await putLookOff(env, DATASET, time)
      kept.push(await dueAt())
    }
    expect([kept, asked]).toEqual([[now + 7, now + 7, now + 5], times])
    await createDataset("off")
    await putLookOff(env, "off", now)
    expect(await dueAt("off")).toBeNull()
  })

  it("that waits for quiet and has to wait longer is due at the later time once the first has come", async () => {
    await addPairs(0, 10)
    await execute("UPDATE datasets SET quiet_seconds = 60")
    await ask(now - 1)
    const { asked, env } = quietly()
    await lookNow(env, DATASET)
    expect([await dueAt(), asked]).toEqual([now + 60_000, [now + 60_000]])
  })

  it("that could not be kept is made again after a minute, and others that are due at once", async () => {
    await ask(now - 1)
    const broken = () => ({ bind: () => ({ run: () => Promise.reject(new Error("away")) }) })
    const prepare = (sql: string) => (/SET trigger_fault/.test(sql) ? broken() : bindings.DB.prepare(sql))
    const { env } = quietly({ prepare } as unknown as D1Database)
    vi.spyOn(console, "warn").mockImplementation(() => {})
    expect(await sweepAutomatic(env)).toBe(now + 60_000)
    await createDataset("other", 10)
    await execute("UPDATE datasets SET look_due_at = ? WHERE id = 'other'", now)
    expect(await sweepAutomatic(quietly().env, 1)).toBe(now)
    expect([await dueAt(), await dueAt("other")]).toEqual([null, now])
  })
})

it("a look of which the pool never heard is made when the gateway wakes the orchestrator, as it does every minute", async () => {
  await ask(now - 1)
  valueIn(await orchestrator.sweep({ isUrgent: false }))
  await vi.waitFor(async () => expect(await dueAt()).toBeNull(), { timeout: 20_000, interval: 50 })
})

describe("ready pairs", () => {
  it("of a dataset that was never looked at have it counted once while the first look counts, however many ask", async () => {
    await createDataset("new", 1000)
    await addPairs(0, 40, "new")
    let counts = 0
    const { asked, env } = quietly(meanwhile(LAST_RUNS, async () => void counts++))
    const looks = Array.from({ length: 5 }, () => lookAtThreshold(env, "new"))
    expect(await Promise.all(looks)).toEqual(Array.from(looks, () => ({ ok: true, value: { runId: null } })))
    expect([counts, await dueAt("new"), asked]).toEqual([1, now + 1000, Array(4).fill(now + 1000)])
  })

  it("have a look at n pairs followed by none for n / 20 ms, one that is under way included", () => {
    const pace = new LookPace()
    const begun = (...times: readonly number[]) => times.map((time) => pace.begin("a", time))
    expect(begun(0, 0, 999)).toEqual([undefined, 1000, 1000])
    pace.counted("a", 100, 1000)
    expect(begun(1004, 1005, 1005, 1009, 1010)).toEqual([1005, undefined, 1010, 1010, undefined])
    pace.counted("a", 19, 1010)
    expect(begun(1010, 1010)).toEqual([undefined, undefined])
    pace.forget("a")
    expect(begun(1010, 1010)).toEqual([undefined, 2010])
  })

  it("wait no longer than that where the clock is put back by an hour", () => {
    const pace = new LookPace()
    const hour = 3_600_000
    pace.counted("a", 100, hour)
    const begun = [0, 4, 5, 5].map((time) => pace.begin("a", time))
    expect(begun).toEqual([5, 5, undefined, 10])
  })

  it("are paced for so many datasets as are remembered: those that were looked at last", () => {
    const pace = new LookPace(2)
    for (const id of ["a", "b"]) pace.counted(id, 1000, 0)
    pace.counted("a", 1000, 0)
    pace.counted("c", 1000, 0)
    expect(["a", "c", "b"].map((id) => pace.begin(id, 1))).toEqual([50, 50, undefined])
  })
})
