// Triggers that would train the same are one run while that is under way; whatever differs, or is asked for, is another.
import { beforeEach, describe, expect, it } from "vitest"
import type { TriggerInput } from "#shared/wire/services.ts"
import { leaseNext, work } from "./test-runner.ts"
import { addPairs, bindings, DATASET, finished, getRun, orchestrator, startWorld, valueIn } from "./world.ts"

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
    ["it does not wait for comparisons that came before it", { waitForIngest: false }],
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
