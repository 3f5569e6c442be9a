// What the consumer does when something around it fails: nothing is lost, nothing is done twice, and the outbox says why.
import { beforeEach, describe, expect, it, vi } from "vitest"
import { sha256Hex } from "#shared/formats/digest.ts"
import { MAX_GRAPH_BYTES } from "#shared/formats/onnx/edge-fit.ts"
import type { Environment } from "#workers/scorer/Environment.ts"
import { tinyTokenisation } from "./tiny-model.ts"
import {
  bindings,
  choice,
  comparisonStates,
  counters,
  createDataset,
  DATASET,
  deliver,
  model,
  outbox,
  pairs,
  putBlob,
  receive,
  receiveLines,
  registerModel,
  startWorld,
} from "./world.ts"

beforeEach(startWorld)

/** The binding with some methods replaced; the others stay bound to it. */
const overriding = <T extends object>(target: T, replaced: Partial<Record<keyof T, unknown>>): T =>
  new Proxy(target, {
    get: (object, name) => {
      if (name in replaced) return Reflect.get(replaced, name)
      const own: unknown = Reflect.get(object, name)
      return typeof own === "function" ? own.bind(object) : own
    },
  })

const failing = (message: string) => () => Promise.reject(new Error(message))

const withBindings = (replaced: Partial<Environment>): Environment => ({ ...bindings, ...replaced })

describe("a missing or wrong blob", () => {
  it("holds back only the comparisons in it, says why in the outbox, and lets them through once it is there", async () => {
    const line = JSON.stringify(choice("hello", "the", "an"))
    const [waiting] = await receiveLines([line])
    const [fine] = await receive([choice("hello", "he", "and")])
    const digest = await sha256Hex(line)
    await bindings.BLOBS.delete(`blobs/${digest}`)
    expect(await deliver([waiting, fine])).toEqual({ acknowledged: [fine], retried: [waiting] })
    expect(await outbox()).toEqual([
      {
        comparison_id: waiting,
        last_error: `the comparisons' payload: the blob ${digest} is missing; upload it again`,
      },
    ])
    expect(await comparisonStates()).toEqual({ [waiting!]: "received", [fine!]: "paired" })
    await putBlob(new TextEncoder().encode(line) as Uint8Array<ArrayBuffer>)
    expect((await deliver([waiting])).acknowledged).toEqual([waiting])
    expect(await comparisonStates()).toMatchObject({ [waiting!]: "paired" })
    expect(await outbox()).toEqual([])
  })

  it("is noticed by its digest when a tokenizer's bytes were changed", async () => {
    const changed = model.contents["tokenizer.json"]!.slice()
    changed[changed.length - 1] = 0x20
    await putBlob(changed, model.files["tokenizer.json"])
    const [id] = await receive([choice("hello", "the", "an")])
    expect((await deliver([id])).retried).toEqual([id])
    expect((await outbox())[0]!.last_error).toBe(
      `tokenizer.json: the blob ${model.files["tokenizer.json"]} holds bytes whose digest is ${await sha256Hex(changed)}; upload it again`,
    )
    expect(await pairs()).toEqual([])
  })

  it("leaves pairs ready but unscored when it is the model's graph", async () => {
    await bindings.BLOBS.delete(`blobs/${model.files["model.onnx"]}`)
    const [id] = await receive([choice("hello", "the", "an")])
    expect((await deliver([id])).acknowledged).toEqual([id])
    expect((await pairs())[0]!.status).toBe("ready")
    expect((await bindings.REFERENCES.list()).keys).toEqual([])
    expect(await counters()).toEqual({})
  })
})

describe("models", () => {
  it("are loaded only by the digests of registered versions", async () => {
    await createDataset("elsewhere", "never-registered")
    const read: string[] = []
    const blobs = overriding(bindings.BLOBS, {
      get: (key: string) => {
        read.push(key)
        return bindings.BLOBS.get(key)
      },
    })
    const [other] = await receive([choice("hello", "the", "an")], "elsewhere")
    const [fine] = await receive([choice("hello", "he", "and")])
    expect(await deliver([other, fine], withBindings({ BLOBS: blobs }))).toEqual({
      acknowledged: [fine],
      retried: [other],
    })
    expect((await outbox())[0]!.last_error).toBe(
      'the reference model of dataset "elsewhere" is not registered; register the dataset and its base model',
    )
    const payload = await sha256Hex(JSON.stringify(choice("hello", "he", "and")))
    const allowed = new Set([...Object.values(model.files), payload].map((digest) => `blobs/${digest}`))
    expect(read.filter((key) => !allowed.has(key))).toEqual([])
    // Four files of the model and the payload, and of the graph the beginning by itself, which says how it holds its weights.
    expect(read.length).toBe(6)
  })

  it("that are adapters are no reference", async () => {
    await registerModel("adapted", model)
    await bindings.DB.prepare("UPDATE models SET kind = 'adapter' WHERE name = 'adapted'").run()
    await createDataset("elsewhere", "adapted")
    const [id] = await receive([choice("hello", "the", "an")], "elsewhere")
    expect((await deliver([id])).retried).toEqual([id])
  })

  it("too large for an isolate are not even read; their pairs are ready for a runner to score", async () => {
    const contents = { ...model.contents, "model.onnx": new Uint8Array(MAX_GRAPH_BYTES + 1) }
    const files = { ...model.files, "model.onnx": await sha256Hex(contents["model.onnx"]) }
    await registerModel("large", { contents, files })
    await createDataset("large", "large")
    const [id] = await receive([choice("hello", "the", "an")], "large")
    expect((await deliver([id])).acknowledged).toEqual([id])
    expect((await pairs())[0]).toMatchObject({ status: "ready", dataset_id: "large" })
    expect(await counters()).toEqual({})
  })

  it("limit a pair to the positions they were made for, whatever the dataset allows", async () => {
    await createDataset("long", "tiny", { maxLength: 4096 })
    const text = "x".repeat(300)
    expect(tinyTokenisation().encode(text).length).toBeGreaterThan(model.config.maxPositions)
    const [id] = await receive([choice("hello", text, "an")], "long")
    await deliver([id])
    expect(await comparisonStates()).toEqual({ [id!]: "dropped: over-length" })
  })
})

describe("KV is only a cache", () => {
  const comparison = choice("hello", "the", "an")

  it("so while it cannot be read, everything is computed and the pairs are ready", async () => {
    await deliver(await receive([comparison]))
    const before = (await bindings.REFERENCES.list()).keys
    const kv = overriding(bindings.REFERENCES, { getWithMetadata: failing("KV GET failed: 503") })
    const [id] = await receive([choice("hello", "an", "the", "two")])
    expect((await deliver([id], withBindings({ REFERENCES: kv }))).acknowledged).toEqual([id])
    expect(await counters()).toEqual({ sessions_opened: 1, responses_computed: 4 })
    expect((await bindings.REFERENCES.list()).keys).toEqual(before)
  })

  it("so while it cannot be written, the pairs are ready all the same", async () => {
    const kv = overriding(bindings.REFERENCES, { put: failing("KV PUT failed: 429") })
    const [id] = await receive([comparison])
    expect((await deliver([id], withBindings({ REFERENCES: kv }))).acknowledged).toEqual([id])
    expect(await comparisonStates()).toEqual({ [id!]: "paired" })
  })

  it("so a record that is not what its key promises is computed and written again", async () => {
    await deliver(await receive([comparison]))
    const [{ name }] = (await bindings.REFERENCES.list()).keys as [{ name: string }]
    const whole = await bindings.REFERENCES.get(name, "arrayBuffer")
    await bindings.REFERENCES.put(name, whole!.slice(4), { metadata: { s: -1, n: 1, ep: "wasm", v: 1 } })
    await deliver(await receive([choice("hello", "an", "the", "two")]))
    expect(await bindings.REFERENCES.get(name, "arrayBuffer")).toEqual(whole)
    expect(await counters()).toEqual({ sessions_opened: 1, responses_computed: 3, responses_from_cache: 1 })
  })
})

describe("D1", () => {
  it("failing to be read has the whole batch delivered again", async () => {
    const ids = await receive([choice("hello", "the", "an"), choice("hello", "he", "and")])
    const db = overriding(bindings.DB, { batch: failing("D1_ERROR: overloaded") })
    expect(await deliver(ids, withBindings({ DB: db }))).toEqual({ acknowledged: [], retried: ids })
    expect((await outbox()).length).toBe(2)
    await deliver(ids)
    expect((await pairs()).length).toBe(2)
  })

  it("failing to store the pairs leaves none of them, and the next delivery finds the log-probs in KV", async () => {
    const [id] = await receive([choice("hello", "the", "an")])
    let calls = 0
    const db = overriding(bindings.DB, {
      batch: (statements: D1PreparedStatement[]) =>
        ++calls === 4 ? failing("D1_ERROR: overloaded")() : bindings.DB.batch(statements),
    })
    expect((await deliver([id], withBindings({ DB: db }))).retried).toEqual([id])
    expect(await pairs()).toEqual([])
    expect(await outbox()).toEqual([
      { comparison_id: id, last_error: "D1 failed to store pairs: D1_ERROR: overloaded" },
    ])
    await deliver([id])
    expect((await pairs()).length).toBe(1)
    expect(await counters()).toEqual({ responses_from_cache: 2 })
  })
})

describe("the orchestrator", () => {
  it("is told once a batch which datasets have new pairs", async () => {
    await createDataset("other", "tiny")
    const ids = await receive([choice("hello", "the", "an"), choice("hello", "he", "and")])
    const others = await receive([choice("hello", "the", "an")], "other")
    await deliver([...ids, ...others])
    expect((await bindings.ORCHESTRATOR.takeCalls()).toSorted()).toEqual(["other", DATASET])
  })

  it("failing loses nothing: the pairs are stored, and the message comes again only to tell it", async () => {
    await bindings.ORCHESTRATOR.failNext(1)
    const [id] = await receive([choice("hello", "the", "an")])
    expect((await deliver([id])).retried).toEqual([id])
    expect(await comparisonStates()).toEqual({ [id!]: "paired" })
    const before = await pairs()
    expect((await deliver([id])).acknowledged).toEqual([id])
    expect(await bindings.ORCHESTRATOR.takeCalls()).toEqual([DATASET, DATASET])
    expect(await pairs()).toEqual(before)
  })
})

describe("a dataset that starts runs", () => {
  const now = 1_000_000
  const look = () =>
    bindings.DB.prepare("SELECT look_due_at AS dueAt, look_version AS version FROM datasets WHERE id = ?")
      .bind(DATASET)
      .first()
  const begin = (threshold: number | null, dueAt: number | null) =>
    bindings.DB.prepare("UPDATE datasets SET retrain_threshold = ?, look_due_at = ?").bind(threshold, dueAt).run()

  it.each([
    ["in a minute at the latest", 10, null, { dueAt: now + 60_000, version: 1 }],
    ["as soon as it was to be, and once more where one is under way", 10, now - 5, { dueAt: now - 5, version: 1 }],
    ["before what it waits for", 10, now + 600_000, { dueAt: now + 60_000, version: 1 }],
    ["not where it starts none", null, null, { dueAt: null, version: 0 }],
  ])("is looked at though the orchestrator never hears of its pairs: %s", async (_, threshold, dueAt, after) => {
    await begin(threshold, dueAt)
    const [id] = await receive([choice("hello", "the", "an")])
    await bindings.ORCHESTRATOR.failNext(1)
    vi.spyOn(Date, "now").mockReturnValue(now)
    await deliver([id]).finally(() => vi.restoreAllMocks())
    expect(await look()).toEqual(after)
  })

  it("is not asked for where its pairs were not stored", async () => {
    await begin(10, null)
    const [id] = await receive([choice("hello", "the", "an")])
    let batches = 0
    const batch = (statements: D1PreparedStatement[]) =>
      ++batches > 1 ? Promise.reject(new Error("away")) : bindings.DB.batch(statements)
    await deliver([id], withBindings({ DB: overriding(bindings.DB, { batch }) }))
    expect(await look()).toEqual({ dueAt: null, version: 0 })
  })
})

describe("the queue", () => {
  it("delivers what the gateway sends", async () => {
    const ids = await receive([choice("hello", "the", "an"), choice("hello", "he", "and")])
    await bindings.INGEST.sendBatch(ids.map((comparisonId) => ({ body: { comparisonId } })))
    await vi.waitFor(async () => expect((await pairs()).length).toBe(2), { timeout: 15_000, interval: 100 })
    expect(await comparisonStates()).toEqual({ [ids[0]!]: "paired", [ids[1]!]: "paired" })
  })
})
