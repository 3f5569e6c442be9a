// How runs begin: once for a key, once for a threshold, never with a configuration that cannot be used. Over 300 lines: every way in.
import { runInDurableObject } from "cloudflare:test"
import { beforeEach, describe, expect, it, vi } from "vitest"
import type { TriggerInput } from "#shared/wire/services.ts"
import { gateLimits } from "#workers/orchestrator/retrain/gate-limits.ts"
import { STANDING_MS, sweepAutomatic, sweepRuns } from "#workers/orchestrator/runs/sweep.ts"
import { numberSetting, SettingInvalid } from "#workers/orchestrator/settings.ts"
import { complete, LEARNED, leaseNext, work } from "./test-runner.ts"
import {
  addPairs,
  bindings,
  createDataset,
  DATASET,
  finished,
  getRun,
  inWorkflowRun,
  orchestrator,
  sleep,
  startWorld,
  triggerOnce,
  until,
  valueIn,
} from "./world.ts"

const runIds = async (): Promise<string[]> =>
  (await bindings.DB.prepare("SELECT id FROM runs ORDER BY id").all<{ id: string }>()).results.map(({ id }) => id)

const trigger = (input: Partial<TriggerInput>) =>
  orchestrator.trigger({ datasetId: DATASET, trigger: "api", key: "key", ...input })

describe("a trigger", () => {
  beforeEach(() => startWorld())

  it("is one run for twenty simultaneous callers with the same key", async () => {
    await addPairs(0, 8)
    const answers = (await Promise.all(Array.from({ length: 20 }, () => trigger({})))).map(valueIn)
    expect(new Set(answers.map(({ runId }) => runId)).size).toBe(1)
    expect(answers.filter(({ created }) => created)).toHaveLength(1)
    expect(await runIds()).toHaveLength(1)
    expect(await work(2)).toHaveLength(2)
  })

  it("with another key that is to be another run, or for another dataset, is another run", async () => {
    await createDataset("other")
    const ids = [
      valueIn(await trigger({})).runId,
      valueIn(await trigger({ key: "second", force: true })).runId,
      valueIn(await trigger({ datasetId: "other" })).runId,
    ]
    expect(new Set(ids).size).toBe(3)
    expect(valueIn(await trigger({}))).toEqual({ runId: ids[0], created: false })
    expect(valueIn(await trigger({ key: "second", force: true }))).toEqual({ runId: ids[1], created: false })
  })

  it("resolves the configuration: the dataset's options, overridden by the trigger's", async () => {
    await startWorld()
    await createDataset("tuned", null, { method: "dpo", batch: 8 })
    await addPairs(0, 8, "tuned")
    valueIn(await trigger({ datasetId: "tuned", config: { batch: 4 } }))
    const { spec } = await leaseNext()
    expect(spec.kind === "train" && spec.config).toMatchObject({ method: "dpo", batch: 4, beta: 0.1, seed: 42 })
  })

  it("trains to the length that the dataset's pairs were made to, or to less", async () => {
    await addPairs(0, 8)
    const lengthsOf = async (key: string, config: Readonly<Record<string, unknown>>) => {
      const runId = await triggerOnce(key, { config })
      const { spec } = await leaseNext()
      valueIn(await orchestrator.cancelRun(runId))
      return spec.kind === "train" && [spec.config.maxLength, spec.maxLength]
    }
    expect(await lengthsOf("dataset's", {})).toEqual([64, 64])
    expect(await lengthsOf("less", { maxLength: 32 })).toEqual([32, 64])
  })

  it.each<[string, Partial<TriggerInput>, string, RegExp]>([
    ["an unknown option", { config: { betta: 1 } }, "Invalid", /betta.*known keys: method, beta/],
    ["an option out of range", { config: { beta: -1 } }, "Invalid", /beta/],
    [
      "all weights trained in few bits",
      { config: { loraRank: 0, baseWeights: "nf4" } },
      "Invalid",
      /loraRank 0 trains all weights in f32; set loraRank, or leave baseWeights out/,
    ],
    [
      "a start from nothing that is registered",
      { startFrom: { name: "none", version: 3 } },
      "Invalid",
      /^startFrom: "none" version 3 is not registered/,
    ],
    ["a start from a base", { startFrom: { name: "tiny", version: 1 } }, "Invalid", /is a whole model/],
    ["a split that packs have already", { config: { heldOutShare: 0.1 } }, "Invalid", /heldOutShare is for data files/],
    [
      "weights that packs have already",
      { config: { strengthAsWeight: true } },
      "Invalid",
      /strengthAsWeight is for data/,
    ],
    ["an option of another method", { config: { ldAlpha: 0.5 } }, "Invalid", /ldAlpha does not belong to alpha-dpo/],
    [
      "longer pairs than the dataset's",
      { config: { maxLength: 65 } },
      "Invalid",
      /^maxLength 65 is above the dataset's 64, to which its pairs were made; lower it or leave it out/,
    ],
    ["an unknown dataset", { datasetId: "nowhere" }, "NotFound", /there is no dataset "nowhere"/],
    ["a base model's name", { modelName: "tiny" }, "Invalid", /give the adapter another name/],
    ["an unusable name", { modelName: "../x" }, "Invalid", /cannot name a model/],
    [
      "more steps than a run may take",
      { config: { maxSteps: 2000 }, limits: { steps: 1999 } },
      "Invalid",
      /^maxSteps: it would take 2000 optimiser steps and may take 1999; lower epochs or maxSteps/,
    ],
    ["an empty key", { key: "" }, "Invalid", /1 to 512 characters/],
  ])("with %s is refused and starts nothing", async (_, input, tag, message) => {
    const answer = await trigger(input)
    expect(answer).toMatchObject({ ok: false, error: { _tag: tag } })
    expect(!answer.ok && answer.error.message).toMatch(message)
    expect(await runIds()).toEqual([])
  })

  it("for a dataset whose base model is not registered is refused", async () => {
    await bindings.DB.prepare("UPDATE datasets SET reference_version = 9").run()
    const answer = await trigger({})
    expect(!answer.ok && answer.error.message).toBe(
      'the dataset\'s base model "tiny" version 9 is not registered; register it',
    )
  })
})

describe("a setting of the deployment", () => {
  it("that is no number, or too small, is named; one that is absent has its default", () => {
    const read = (text: string) => numberSetting({ YOHAKU_LEASE_MS: text }, "YOHAKU_LEASE_MS", 60_000, 1)
    expect(() => read("soon")).toThrow(
      'YOHAKU_LEASE_MS is "soon"; give a number of at least 1, or leave it out for 60000',
    )
    expect(() => read("0")).toThrow(SettingInvalid)
    expect([read(""), read("250")]).toEqual([60_000, 250])
    const limits = gateLimits({ ...bindings, YOHAKU_GATE_DRIFT_PER_TOKEN: "0.5" })
    expect(limits).toEqual({ minimumGain: 0.02, productionTolerance: 0.02, driftPerToken: 0.5, takenBackShare: 0.05 })
  })
})

describe("the threshold", () => {
  beforeEach(() => startWorld(10))

  const ready = () => orchestrator.pairsReady(DATASET).then(valueIn)

  it("starts nothing below, and exactly one run at it, however many callers there are", async () => {
    await addPairs(0, 9)
    expect(await ready()).toEqual({ runId: null })
    await addPairs(9, 10)
    const answers = await Promise.all(Array.from({ length: 20 }, ready))
    const started = answers.flatMap(({ runId }) => (runId === null ? [] : [runId]))
    expect(new Set(started).size).toBe(1)
    expect(await runIds()).toEqual([started[0]])
    expect(await getRun(started[0]!)).toMatchObject({ trigger: "threshold" })
  })

  it("starts nothing while a run is under way, and counts from the last snapshot after it", async () => {
    await addPairs(0, 12)
    const { runId: first } = await ready()
    const job = await leaseNext()
    await addPairs(12, 21)
    expect(await ready()).toEqual({ runId: null })
    await complete(job, LEARNED)
    await work(1)
    await finished(first!)
    expect(await ready()).toEqual({ runId: null })
    await addPairs(21, 22)
    const { runId: second } = await ready()
    expect(second).not.toBeNull()
    expect(second).not.toBe(first)
  })

  it("starts the next when a run has ended during which enough came, though nothing comes after it", async () => {
    await addPairs(0, 12)
    const { runId: first } = await ready()
    const job = await leaseNext()
    await addPairs(12, 40)
    expect(await ready()).toEqual({ runId: null })
    await complete(job, LEARNED)
    await work(1)
    await finished(first!)
    const others = async () => (await runIds()).filter((id) => id !== first)
    const [started, ...more] = await until(others, ({ length }) => length > 0)
    expect(more).toEqual([])
    expect(await getRun(started!)).toMatchObject({ trigger: "threshold", status: "running" })
  })

  it("counts what is new though others were taken back since the last run, and never less than nothing", async () => {
    await addPairs(0, 12)
    const { runId: first } = await ready()
    await complete(await leaseNext(), LEARNED)
    await work(1)
    await finished(first!)
    const takeBack = (count: number) =>
      bindings.DB.prepare(
        `UPDATE pairs SET status = 'retracted'
          WHERE id IN (SELECT id FROM pairs WHERE status = 'ready' ORDER BY created_at, id LIMIT ?)`,
      )
        .bind(count)
        .run()
    await takeBack(4)
    const newPairs = async () => valueIn(await orchestrator.automaticRuns(DATASET)).newPairs
    expect(await newPairs()).toBe(0)
    await addPairs(12, 21)
    expect(await newPairs()).toBe(9)
    await addPairs(21, 22)
    expect((await ready()).runId).not.toBeNull()
  })

  it("starts nothing while no pair is held out", async () => {
    await addPairs(0, 3)
    await addPairs(4, 7)
    await addPairs(8, 11)
    await addPairs(12, 15)
    expect(await ready()).toEqual({ runId: null })
  })

  it("is looked at the more seldom the more pairs there are, and what was put off is looked at by the sweep", async () => {
    await createDataset("many", 41)
    await addPairs(0, 40, "many")
    const dueAt = () =>
      bindings.DB.prepare("SELECT look_due_at AS due FROM datasets WHERE id = 'many'").first<number | null>("due")
    const ready = async () => valueIn(await orchestrator.pairsReady("many"))
    const sweepAt = () =>
      runInDurableObject(bindings.RUNNER_POOL.getByName("pool") as never, (_: unknown, state: DurableObjectState) =>
        state.storage.get<number>("sweepAt"),
      )
    const now = Date.now()
    vi.spyOn(Date, "now").mockReturnValue(now)
    try {
      expect([await ready(), await dueAt()]).toEqual([{ runId: null }, null])
      await addPairs(40, 41, "many")
      expect([await ready(), await dueAt()]).toEqual([{ runId: null }, now + 2])
      expect(await sweepAt()).toBe(now + 2)
      expect([await ready(), await runIds()]).toEqual([{ runId: null }, []])
    } finally {
      vi.restoreAllMocks()
    }
    await sweepAutomatic(bindings)
    expect([(await runIds()).length, await dueAt()]).toEqual([1, null])
  })

  it("is never reached by a dataset that has none, and an unknown dataset is not found", async () => {
    await createDataset("quiet")
    await addPairs(0, 50, "quiet")
    expect(valueIn(await orchestrator.pairsReady("quiet"))).toEqual({ runId: null })
    expect(await orchestrator.pairsReady("nowhere")).toMatchObject({ ok: false, error: { _tag: "NotFound" } })
  })
})

describe("why no run starts by itself", () => {
  beforeEach(() => startWorld(10))

  const state = async () => {
    const { state: name, reason, newPairs } = valueIn(await orchestrator.automaticRuns(DATASET))
    return { name, reason, newPairs }
  }

  /** Ends the run that is under way as a failure, so long ago. */
  const failRun = async (agoMs: number) => {
    const then = Date.now() - agoMs
    await bindings.DB.batch([
      bindings.DB.prepare("UPDATE datasets SET look_due_at = ?").bind(then),
      bindings.DB.prepare(
        "UPDATE runs SET status = 'failed', error = 'no memory', updated_at = ? WHERE status = 'running'",
      ).bind(then),
    ])
    return then
  }

  it("is said with the numbers: no threshold, too few pairs, no split, a run under way", async () => {
    await createDataset("quiet")
    expect(valueIn(await orchestrator.automaticRuns("quiet"))).toMatchObject({ state: "off" })
    expect(await orchestrator.automaticRuns("nowhere")).toMatchObject({ ok: false, error: { _tag: "NotFound" } })
    expect((await state()).reason).toMatch(/^0 ready pairs are to train on and 0 held out/)
    await addPairs(0, 9)
    expect(await state()).toEqual({
      name: "waiting",
      reason: "9 pairs are new since the last run, and 10 start one",
      newPairs: 9,
    })
    await addPairs(9, 10)
    expect(await state()).toEqual({ name: "due", reason: "10 pairs are new, and 10 start a run", newPairs: 10 })
    const { runId } = valueIn(await orchestrator.pairsReady(DATASET))
    expect(await state()).toMatchObject({ name: "running", reason: `run ${runId} is under way` })
  })

  it("a failed automatic run is repeated after 5, 20 and 80 minutes, and then no more", async () => {
    await addPairs(0, 10)
    valueIn(await orchestrator.pairsReady(DATASET))
    for (const minutes of [5, 20, 80]) {
      const failedAt = await failRun((minutes - 1) * 60_000)
      expect((await state()).name).toBe("pausing")
      expect(await sweepAutomatic(bindings)).toBe(failedAt + minutes * 60_000)
      await bindings.DB.batch([
        bindings.DB.prepare("UPDATE runs SET updated_at = updated_at - 60000"),
        bindings.DB.prepare("UPDATE datasets SET look_due_at = look_due_at - 60000"),
      ])
      expect((await state()).reason).toMatch(/failed \(no memory\) and is repeated$/)
      expect(await sweepAutomatic(bindings)).toBe(Number.POSITIVE_INFINITY)
      expect((await state()).name).toBe("running")
    }
    expect(await runIds()).toHaveLength(4)
    await failRun(24 * 60 * 60_000)
    expect((await state()).name).toBe("stopped")
    expect((await state()).reason).toMatch(/failed \(no memory\), as did the 3 before it; mend the cause/)
    expect(await sweepAutomatic(bindings)).toBe(Number.POSITIVE_INFINITY)
    expect(valueIn(await orchestrator.pairsReady(DATASET))).toEqual({ runId: null })
    await addPairs(10, 20)
    expect(valueIn(await orchestrator.pairsReady(DATASET)).runId).not.toBeNull()
  })
})

describe("a dataset that waits for quiet", () => {
  beforeEach(() => startWorld(10))

  const set = (column: string, value: number) => bindings.DB.prepare(`UPDATE ${column} = ?`).bind(value).run()
  const ready = () => orchestrator.pairsReady(DATASET).then(valueIn)
  const look = async () => valueIn(await orchestrator.automaticRuns(DATASET))

  it("starts no run before no pair has come for so long, and says when", async () => {
    await set("datasets SET quiet_seconds", 60)
    await addPairs(0, 10)
    const newest = Date.now() - 20_000
    await set("pairs SET created_at", newest)
    expect(await ready()).toEqual({ runId: null })
    expect(await look()).toMatchObject({
      ...{ state: "quiet", startsAt: newest + 60_000 },
      reason: `10 pairs are new, and 10 start a run at ${new Date(newest + 60_000).toISOString()}, or later if more come until then`,
    })
    expect(await sweepAutomatic(bindings)).toBe(newest + 60_000)
    await set("pairs SET created_at", newest - 60_000)
    expect(await look()).toMatchObject({ state: "due" })
    expect((await ready()).runId).not.toBeNull()
  })

  it("waits ten times as long at most, counted from when there were enough", async () => {
    await set("datasets SET quiet_seconds", 60)
    await addPairs(0, 10)
    const reached = Date.now() - 595_000
    await set("pairs SET created_at", reached)
    await addPairs(10, 14)
    expect(await look()).toMatchObject({ state: "quiet", startsAt: reached + 600_000 })
    await bindings.DB.prepare("UPDATE pairs SET created_at = created_at - 6000 WHERE created_at = ?")
      .bind(reached)
      .run()
    expect(await look()).toMatchObject({ state: "due" })
  })

  it("is looked at when the time has come, though nothing else happens", async () => {
    await set("datasets SET quiet_seconds", 1)
    await addPairs(0, 10)
    expect(await ready()).toEqual({ runId: null })
    await until(runIds, ({ length }) => length === 1, 10_000)
    await leaseNext()
  })
})

describe("a run that is started right after comparisons came", () => {
  beforeEach(() => startWorld())

  const enqueue = (id: string) =>
    bindings.DB.prepare("INSERT INTO outbox (comparison_id, created_at) VALUES (?, 1)").bind(id).run()

  it("waits for them, and trains on their pairs too", async () => {
    const [first] = await addPairs(0, 8)
    await enqueue(first!)
    const runId = await triggerOnce("waits")
    await sleep(400)
    expect((await getRun(runId)).step).toBe("snapshot")
    await addPairs(8, 12)
    await bindings.DB.prepare("DELETE FROM outbox").run()
    await leaseNext()
    expect((await getRun(runId)).detail.snapshot).toMatchObject({ trainPairs: 9, heldOutPairs: 3 })
    expect((await getRun(runId)).detail.snapshot).not.toHaveProperty("leftOutComparisons")
  })

  it("says how many it left out when it is not to wait", async () => {
    const [first, second] = await addPairs(0, 8)
    await enqueue(first!)
    await enqueue(second!)
    const runId = await triggerOnce("hurries", { waitForIngest: false })
    await leaseNext()
    expect((await getRun(runId)).detail.snapshot).toMatchObject({ trainPairs: 6, leftOutComparisons: 2 })
  })
})

describe("the sweep", () => {
  beforeEach(() => startWorld())

  const age = () =>
    bindings.DB.prepare("UPDATE runs SET updated_at = updated_at - ?")
      .bind(2 * STANDING_MS)
      .run()

  it("wakes a run whose alarm was lost", async () => {
    await addPairs(0, 8)
    const runId = await triggerOnce("lost")
    const job = await leaseNext()
    await inWorkflowRun(runId, (_, state) => state.storage.deleteAlarm())
    await age()
    expect(await sweepRuns(bindings)).toBe(1)
    const alarm = await inWorkflowRun(runId, (_, state) => state.storage.getAlarm())
    expect(alarm).not.toBeNull()
    expect(job.jobId).toBe(`${runId}-train`)
  })

  it("is done by looking at the run, too", async () => {
    await addPairs(0, 8)
    const runId = await triggerOnce("looked-at")
    await leaseNext()
    await inWorkflowRun(runId, (_, state) => state.storage.deleteAlarm())
    await age()
    await getRun(runId)
    expect(await inWorkflowRun(runId, (_, state) => state.storage.getAlarm())).not.toBeNull()
  })

  it("ends a row whose execution was never stored", async () => {
    await bindings.DB.prepare(
      `INSERT INTO runs (id, dataset_id, trigger, method, status, step, detail, created_at, updated_at)
       VALUES ('ghost', ?, 'api', 'dpo', 'running', 'snapshot', '{}', 0, 0)`,
    )
      .bind(DATASET)
      .run()
    await sweepRuns(bindings)
    expect(await getRun("ghost")).toMatchObject({ status: "failed", error: /journal is gone/ })
  })

  it("writes the outcome of an ended run that the read model never heard of", async () => {
    await addPairs(0, 8)
    const runId = await triggerOnce("unheard")
    await work(2)
    await finished(runId)
    await bindings.DB.prepare("UPDATE runs SET status = 'running'").run()
    await age()
    await sweepRuns(bindings)
    await until(
      () => getRun(runId),
      ({ status }) => status === "succeeded",
    )
  })
})
