// Triggers that would train the same are one run while that is under way; whatever differs, or is asked for, is another. A trigger that was
// answered has that run for ever.
import fc from "fast-check"
import { beforeEach, describe, expect, it } from "vitest"
import type { TriggerInput } from "#shared/wire/services.ts"
import { claimRun, recordAnswer } from "#workers/orchestrator/runs/run-rows.ts"
import { wakeRun } from "#workers/orchestrator/runs/sweep.ts"
import { leaseNext, work } from "./test-runner.ts"
import {
  addPairs,
  bindings,
  DATASET,
  finished,
  getRun,
  inWorkflowRun,
  orchestrator,
  runIdOf,
  startWorld,
  until,
  valueIn,
} from "./world.ts"

beforeEach(async () => {
  await startWorld(4)
  await addPairs(0, 8)
})

const trigger = async (key: string, input: Partial<TriggerInput> = {}) =>
  valueIn(await orchestrator.trigger({ datasetId: DATASET, trigger: "api", key, ...input }))

const countRuns = async () =>
  (await bindings.DB.prepare("SELECT count(*) AS runs FROM runs").first<{ runs: number }>())?.runs

/** The run has its snapshot and its job is at the runner. */
const underWay = async (input: Partial<TriggerInput> = {}) => {
  const { runId } = await trigger("first", input)
  await leaseNext()
  return runId
}

describe("a trigger of what is trained on already", () => {
  it("is answered with the run under way, before its snapshot and after it, whichever way it comes", async () => {
    const { runId, created } = await trigger("first")
    expect(created).toBe(true)
    expect(await trigger("second")).toEqual({ runId, created: false })
    await leaseNext()
    expect(await trigger("third", { trigger: "webhook" })).toEqual({ runId, created: false })
    expect(valueIn(await orchestrator.pairsReady(DATASET))).toEqual({ runId: null })
    expect(await countRuns()).toBe(1)
  })

  it("is one run for twenty simultaneous callers with twenty keys", async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => trigger(`key-${index}`)))
    expect(new Set(answers.map(({ runId }) => runId)).size).toBe(1)
    expect(answers.filter(({ created }) => created)).toHaveLength(1)
    expect(await countRuns()).toBe(1)
  })

  it("is a run of its own when that is asked for, once a key", async () => {
    const runId = await underWay()
    const forced = await trigger("again", { force: true })
    expect(forced.created).toBe(true)
    expect(forced.runId).not.toBe(runId)
    expect(await trigger("again", { force: true })).toEqual({ ...forced, created: false })
  })

  it("is answered with a run that was asked for as one of its own, before its snapshot and after it", async () => {
    const { runId } = await trigger("forced", { force: true })
    expect(await trigger("second")).toEqual({ runId, created: false })
    await leaseNext()
    expect(await trigger("third")).toEqual({ runId, created: false })
    expect(await countRuns()).toBe(1)
  })

  it("may differ in whether it waits for comparisons, as long as none is waiting that the other did not wait for", async () => {
    const runId = await underWay({ waitForIngest: false })
    await bindings.DB.prepare("UPDATE runs SET created_at = created_at - 1000").run()
    expect(await trigger("waits")).toEqual({ runId, created: false })
    await bindings.DB.prepare("INSERT INTO outbox (comparison_id, created_at) SELECT min(id), 1 FROM comparisons").run()
    expect(await trigger("hurries", { waitForIngest: false })).toEqual({ runId, created: false })
    const other = await trigger("waits for it")
    expect(other).toMatchObject({ created: true })
    // Of a run that waits whatever came before it is the same for both, and so it is for a hurried trigger.
    // Both answer it, and the older one is the first.
    expect(await trigger("hurries again", { waitForIngest: false })).toEqual({ runId, created: false })
    expect(await trigger("waits too")).toEqual({ runId: other.runId, created: false })
  })

  it("is a run of its own when the other is over", async () => {
    const { runId } = await trigger("first")
    await work(2)
    await finished(runId)
    expect(await trigger("second")).toMatchObject({ created: true })
  })
})

describe("a trigger is another run when", () => {
  it.each<[string, Partial<TriggerInput>]>([
    ["its configuration differs", { config: { seed: 7 } }],
    ["its adapter has another name", { modelName: "other" }],
    ["it may not promote", { promotion: "never" }],
    ["it may take longer", { limits: { hours: 30 } }],
  ])("%s", async (_, input) => {
    const runId = await underWay()
    const other = await trigger("second", input)
    expect(other).toMatchObject({ created: true })
    expect(other.runId).not.toBe(runId)
    // What is written as the default is the same.
    expect(await trigger("third", { config: { seed: 42 }, limits: { hours: 24 } })).toEqual({ runId, created: false })
  })

  it("pairs came since the other's snapshot", async () => {
    const runId = await underWay()
    await addPairs(8, 9)
    expect((await trigger("second")).runId).not.toBe(runId)
  })

  it("a pair was taken back since the other's snapshot", async () => {
    const runId = await underWay()
    await bindings.DB.prepare("UPDATE pairs SET status = 'retracted' WHERE id = (SELECT min(id) FROM pairs)").run()
    expect((await trigger("second")).runId).not.toBe(runId)
  })

  it("comparisons wait that came after the other", async () => {
    const runId = await underWay()
    await bindings.DB.prepare("INSERT INTO outbox (comparison_id, created_at) SELECT min(id), ? FROM comparisons")
      .bind(Date.now() + 1000)
      .run()
    expect((await trigger("second")).runId).not.toBe(runId)
  })
})

it("a run whose row was claimed and whose journal never began is ended, and stands in nobody's way", async () => {
  const { runId } = await trigger("first")
  await bindings.DB.prepare("UPDATE runs SET id = 'ghost', updated_at = 0 WHERE id = ?").bind(runId).run()
  expect(await trigger("second")).toEqual({ runId: "ghost", created: false })
  expect((await getRun("ghost")).status).toBe("running")
  expect(await getRun("ghost")).toMatchObject({ status: "failed", error: /journal is gone/ })
  expect(await trigger("third")).toMatchObject({ created: true })
})

describe("a trigger that was answered", () => {
  it("has that run for ever, though it began none and the run is over", async () => {
    const { runId } = await trigger("first")
    expect(await trigger("delivery", { trigger: "webhook" })).toEqual({ runId, created: false })
    await work(2)
    await finished(runId)
    const end = { runId, created: false, status: "succeeded" }
    expect(await trigger("delivery", { trigger: "webhook" })).toEqual(end)
    expect(await trigger("delivery", { force: true })).toEqual(end)
    expect(await trigger("first")).toEqual(end)
    // Nor does it matter that it could not be started any more.
    expect(await trigger("delivery", { modelName: "tiny" })).toEqual(end)
    expect(await countRuns()).toBe(1)
    expect(await trigger("another")).toMatchObject({ created: true })
  })

  it("has one run whatever came in between: other keys, forced ones, the ends of runs", async () => {
    const act = fc.oneof(
      fc.record({ key: fc.constantFrom("a", "b", "c", "d"), force: fc.boolean() }),
      fc.constant("end" as const),
    )
    let world = 0
    const law = fc.asyncProperty(fc.array(act, { minLength: 4, maxLength: 10 }), async (acts) => {
      world += 1
      const answers = new Map<string, string>()
      const running = new Set<string>()
      for (const each of acts) {
        if (each === "end") {
          const [oldest] = running
          if (oldest === undefined) continue
          valueIn(await orchestrator.cancelRun(oldest))
          running.delete(oldest)
          continue
        }
        const before = answers.get(each.key)
        const { runId, created } = await trigger(`${world}-${each.key}`, { force: each.force })
        expect(created).toBe(before === undefined && (each.force || running.size === 0))
        if (before !== undefined) expect(runId).toBe(before)
        else if (!created) expect([...running]).toContain(runId)
        answers.set(each.key, runId)
        if (created) running.add(runId)
      }
      for (const runId of running) valueIn(await orchestrator.cancelRun(runId))
    })
    await fc.assert(law, { numRuns: 8, seed: 42 })
  })

  it("by a threshold has a run only while that is under way: its key is of the dataset's last run, not of a delivery", async () => {
    const { runId } = await trigger("first")
    const threshold = () => trigger("threshold-after:nothing", { trigger: "threshold" })
    expect(await threshold()).toEqual({ runId, created: false })
    valueIn(await orchestrator.cancelRun(runId))
    expect(await threshold()).toEqual({ runId: await runIdOf("threshold-after:nothing"), created: true })
  })

  it("has one run of two simultaneous deliveries, whichever is first: one begins none where the other was answered", async () => {
    const { runId } = await trigger("first")
    const { payload } = await inWorkflowRun(runId, ({ journal }) => journal.execution()!)
    const start = JSON.parse(payload)
    const seen = { fingerprint: "its own", seen: [] }
    expect(await recordAnswer(bindings.DB, "answered", runId)).toBe(true)
    expect(await claimRun(bindings.DB, "answered", start, seen)).toBe(false)
    expect(await claimRun(bindings.DB, "begun", start, seen)).toBe(true)
    expect(await recordAnswer(bindings.DB, "begun", runId)).toBe(false)
    expect(await countRuns()).toBe(2)
  })

  it("has the run that ended because its journal was gone, and begins it no more", async () => {
    const { runId } = await trigger("first")
    await bindings.DB.prepare("DELETE FROM runs").run()
    const ghost = await runIdOf("lost")
    await bindings.DB.prepare(
      `INSERT INTO runs (id, dataset_id, trigger, method, status, step, detail, created_at, updated_at)
       VALUES (?, ?, 'api', 'dpo', 'running', 'snapshot', '{}', 0, 0)`,
    )
      .bind(ghost, DATASET)
      .run()
    await getRun(ghost)
    const end = { runId: ghost, created: false, status: "failed", error: expect.stringMatching(/journal is gone/) }
    expect(await trigger("lost")).toEqual(end)
    expect(await bindings.WORKFLOW_RUN.getByName(ghost).status()).toBeUndefined()
    expect(await trigger("lost", { force: true })).toEqual(end)
    const other = await trigger("found")
    expect(other).toMatchObject({ created: true })
    expect([ghost, runId]).not.toContain(other.runId)
  })

  it("begins nothing where its row was ended before its journal began", async () => {
    const runId = await underWay()
    valueIn(await orchestrator.cancelRun(runId))
    const late = await runIdOf("late")
    await bindings.DB.prepare("UPDATE runs SET id = ?, status = 'failed', error = 'it stood still'").bind(late).run()
    const { payload } = await inWorkflowRun(runId, ({ journal }) => journal.execution()!)
    const stub = bindings.WORKFLOW_RUN.getByName(late)
    await stub.start(late, "Retrain", payload)
    await until(
      () => stub.status(),
      (status) => status?.status === "complete",
    )
    expect(await getRun(late)).toMatchObject({ status: "failed", error: "it stood still" })
  })

  it("ends a journal that begins while the sweep ends its row", async () => {
    const runId = await underWay()
    const { payload } = await inWorkflowRun(runId, ({ journal }) => journal.execution()!)
    valueIn(await orchestrator.cancelRun(runId))
    const late = await runIdOf("late")
    await bindings.DB.prepare("UPDATE runs SET id = ?, status = 'running'").bind(late).run()
    const stub = bindings.WORKFLOW_RUN.getByName(late)
    const wake = async () => {
      const isKnown = await stub.wake()
      await inWorkflowRun(late, ({ journal }) => journal.begin(late, "Retrain", payload))
      return isKnown
    }
    const WORKFLOW_RUN = { getByName: () => ({ wake, cancel: () => stub.cancel() }) } as never
    await wakeRun({ ...bindings, WORKFLOW_RUN }, late)
    expect(await getRun(late)).toMatchObject({ status: "failed", error: expect.stringMatching(/journal is gone/) })
    const ended = { status: "complete", result: expect.stringMatching(/the run was cancelled/), activities: [] }
    expect(await stub.status()).toMatchObject(ended)
  })
})
