// Versions and channels: what is immutable, what moves, and how it goes back.
import { beforeEach, describe, expect, it } from "vitest"
import type { Channel } from "#shared/domain/Model.ts"
import { makeAdapter } from "./test-runner.ts"
import { addPairs, baseFiles, bindings, orchestrator, startWorld, triggerOnce, valueIn } from "./world.ts"

const NAME = "support"

beforeEach(() => startWorld())

const registry = () => bindings.REGISTRY.getByName(NAME)

const register = async (salt: string) =>
  valueIn(
    await registry().register({
      ...{ name: NAME, kind: "adapter", files: await makeAdapter({ chosen: 0, rejected: 0 }, salt) },
      base: { name: "tiny", version: 1 },
      metrics: {},
    }),
  )

const promote = async (version: number) =>
  valueIn(await orchestrator.moveChannel({ name: NAME, channel: "production", version }))

const projected = async () =>
  (
    await bindings.DB.prepare("SELECT channel, version, previous_version AS previous FROM channels WHERE name = ?")
      .bind(NAME)
      .all()
  ).results

describe("a version", () => {
  it("counts up from 1, and the same files are the same version", async () => {
    expect((await register("a")).version).toBe(1)
    expect((await register("b")).version).toBe(2)
    expect(await register("a")).toMatchObject({ version: 1 })
    const { results } = await bindings.DB.prepare("SELECT version FROM models WHERE name = ?").bind(NAME).all()
    expect(results).toEqual([{ version: 1 }, { version: 2 }])
  })

  it("is one for twenty simultaneous registrations", async () => {
    const versions = await Promise.all(Array.from({ length: 20 }, () => register("same")))
    expect(new Set(versions.map(({ version }) => version))).toEqual(new Set([1]))
  })

  it("of a base model needs files that the scorer can use, and is not made without", async () => {
    await bindings.SCORER.configure({ unusable: "model.onnx of the reference model cannot be used: it is no graph" })
    const files = await baseFiles()
    expect(await orchestrator.registerModel({ name: "broken", kind: "base", files })).toEqual({
      ok: false,
      error: { _tag: "Invalid", message: "model.onnx of the reference model cannot be used: it is no graph" },
    })
    const stored = await bindings.DB.prepare("SELECT count(*) AS count FROM models WHERE name = 'broken'").first(
      "count",
    )
    expect(stored).toBe(0)
  })

  it("of a base model needs a name that is no dataset's id, under which runs register what they train", async () => {
    const input = { name: NAME, kind: "base", files: await baseFiles() } as const
    expect(await orchestrator.registerModel(input)).toEqual({
      ok: false,
      error: {
        _tag: "Conflict",
        message: '"support" is the id of a dataset, under which what its runs train is registered; choose another name',
      },
    })
    await bindings.DB.prepare("UPDATE datasets SET deleted_at = 1 WHERE id = ?").bind(NAME).run()
    expect(valueIn(await orchestrator.registerModel(input))).toMatchObject({ name: NAME, version: 1 })
  })

  it("of a base model cannot take the name under which a run will register what it trains, until that run has ended", async () => {
    await addPairs(0, 8)
    const runId = await triggerOnce("first", { modelName: "answers" })
    const input = { name: "answers", kind: "base", files: await baseFiles() } as const
    expect(await orchestrator.registerModel(input)).toEqual({
      ok: false,
      error: {
        _tag: "Conflict",
        message:
          'a run is under way that registers what it trains as "answers"; choose another name, or cancel the run',
      },
    })
    valueIn(await orchestrator.cancelRun(runId))
    expect(valueIn(await orchestrator.registerModel(input))).toMatchObject({ name: "answers", version: 1 })
  })

  it("of a base model needs its blobs, and a name that no adapter has", async () => {
    const missing = { "config.json": "f".repeat(64) }
    const answer = await orchestrator.registerModel({ name: "large", kind: "base", files: missing })
    expect(answer).toMatchObject({ ok: false, error: { _tag: "Invalid" } })
    await register("a")
    const taken = {
      ok: false,
      error: { _tag: "Conflict", message: '"support" is the name of a model of kind adapter; choose another name' },
    }
    expect(await orchestrator.registerModel({ name: NAME, kind: "base", files: await baseFiles() })).toEqual(taken)
    expect(await orchestrator.checkModelName({ name: NAME, kind: "base" })).toEqual(taken)
    expect(await orchestrator.checkModelName({ name: "free", kind: "base" })).toEqual({ ok: true, value: null })
  })
})

describe("a channel", () => {
  it("remembers what it served before, and goes back step by step", async () => {
    for (const salt of ["a", "b", "c"]) await register(salt)
    for (const version of [1, 2, 3]) await promote(version)
    expect(await projected()).toEqual([{ channel: "production", version: 3, previous: 2 }])
    expect(valueIn(await orchestrator.rollback({ name: NAME }))).toMatchObject({ version: 2, previousVersion: 1 })
    expect(valueIn(await orchestrator.rollback({ name: NAME }))).toMatchObject({ version: 1 })
    expect(await orchestrator.rollback({ name: NAME })).toMatchObject({ ok: false, error: { _tag: "Conflict" } })
    expect(await projected()).toEqual([{ channel: "production", version: 1, previous: null }])
  })

  it("that is moved to where it points stays, and a rollback then goes past it", async () => {
    for (const salt of ["a", "b"]) await register(salt)
    for (const version of [1, 2, 2]) await promote(version)
    expect(valueIn(await orchestrator.rollback({ name: NAME }))).toMatchObject({ version: 1 })
  })

  it("is compared before it is set", async () => {
    for (const salt of ["a", "b", "c"]) await register(salt)
    await promote(1)
    const move = (version: number, expected: number | null) =>
      registry().move(NAME, { channel: "production", version, expected })
    expect(await move(2, null)).toMatchObject({ ok: false, error: { _tag: "Conflict" } })
    const both = await Promise.all([move(2, 1), move(3, 1)])
    expect(both.filter(({ ok }) => ok)).toHaveLength(1)
  })

  it("is not moved twice by the same operation, even after a rollback", async () => {
    for (const salt of ["a", "b"]) await register(salt)
    await promote(1)
    const move = { channel: "production" as Channel, version: 2, operation: "run/production" }
    valueIn(await registry().move(NAME, move))
    valueIn(await orchestrator.rollback({ name: NAME }))
    expect(valueIn(await registry().move(NAME, move))).toMatchObject({ version: 1 })
  })

  it("goes back once under one operation's name, and is moved once, whatever happens in between", async () => {
    for (const salt of ["a", "b", "c"]) await register(salt)
    for (const version of [1, 2, 3]) await promote(version)
    const back = (operation: string) => orchestrator.rollback({ name: NAME, operation })
    expect(valueIn(await back("key:one"))).toMatchObject({ version: 2 })
    expect(valueIn(await back("key:one"))).toMatchObject({ version: 2 })
    expect(valueIn(await back("key:two"))).toMatchObject({ version: 1 })
    expect(valueIn(await back("key:one"))).toMatchObject({ version: 1 })
    const move = { name: NAME, channel: "production" as Channel, version: 3, operation: "key:three" }
    expect(valueIn(await orchestrator.moveChannel(move))).toMatchObject({ version: 3, previousVersion: 1 })
    expect(valueIn(await back("key:four"))).toMatchObject({ version: 1 })
    expect(valueIn(await orchestrator.moveChannel(move))).toMatchObject({ version: 1 })
  })

  it("refuses an unknown version, a base model and an unknown channel, each with its reason", async () => {
    const move = async (name: string, channel: string, version: number) => {
      const answer = await orchestrator.moveChannel({ name, channel: channel as Channel, version })
      return answer.ok ? "moved" : answer.error._tag
    }
    expect(await move(NAME, "production", 9)).toBe("NotFound")
    expect(await move("tiny", "production", 1)).toBe("Invalid")
    expect(await move(NAME, "staging", 1)).toBe("Invalid")
    expect(await orchestrator.rollback({ name: NAME })).toMatchObject({ ok: false, error: { _tag: "NotFound" } })
  })
})
