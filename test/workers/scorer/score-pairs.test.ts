// The workflow's call over RPC: every named pair's log-probs are in KV, or the answer says what is in the way.
import { exports } from "cloudflare:workers"
import { beforeEach, describe, expect, it, vi } from "vitest"
import { sha256Hex } from "#shared/formats/digest.ts"
import { MAX_GRAPH_BYTES } from "#shared/formats/onnx/edge-fit.ts"
import type { ScorerRpc } from "#shared/wire/services.ts"
import { loadedModels } from "#workers/scorer/LoadedModels.ts"
import { scoringTurns } from "#workers/scorer/ScoringTurns.ts"
import { makeTinyModel } from "./tiny-model.ts"
import {
  bindings,
  choice,
  counters,
  createDataset,
  DATASET,
  deliver,
  model,
  pairs,
  receive,
  registerModel,
  startWorld,
} from "./world.ts"

const scorer = (exports as unknown as { Scorer: ScorerRpc }).Scorer

const pairIds = async () => (await pairs()).map(({ id }) => id)

const forget = async () => {
  for (const { name } of (await bindings.REFERENCES.list()).keys) await bindings.REFERENCES.delete(name)
}

const values = async () => {
  const { keys } = await bindings.REFERENCES.list()
  const read = await Promise.all(keys.map(({ name }) => bindings.REFERENCES.get(name, "arrayBuffer")))
  return keys.map(({ name, metadata }, index) => ({ name, metadata, value: read[index] }))
}

beforeEach(startWorld)

describe("score", () => {
  it("computes what KV lacks, the same values as the consumer computed", async () => {
    // What other files' tests had computed.
    await forget()
    await deliver(await receive([choice("hello", "the", "an"), choice("hello", "he", "an", "two")]))
    const before = await values()
    await forget()
    expect(await scorer.score({ datasetId: DATASET, pairIds: await pairIds() })).toEqual({
      ok: true,
      value: { computed: 3, fromCache: 0 },
    })
    expect(await values()).toEqual(before)
  })

  it("for two runs at once computes each response once, and counts it as found for the other", async () => {
    await deliver(
      await receive(Array.from({ length: 12 }, (_, index) => choice("hello", `the ${index}`, `an ${index}`))),
    )
    await forget()
    const asked = { datasetId: DATASET, pairIds: await pairIds() }
    const answers = await Promise.all([scorer.score(asked), scorer.score(asked)])
    expect(answers.toSorted((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)))).toEqual([
      { ok: true, value: { computed: 0, fromCache: 24 } },
      { ok: true, value: { computed: 24, fromCache: 0 } },
    ])
  })

  it("renews its turn with every sixteen responses", async () => {
    await deliver(
      await receive(Array.from({ length: 12 }, (_, index) => choice("hello", `the ${index}`, `an ${index}`))),
    )
    await forget()
    const renewing = vi.spyOn(scoringTurns, "renew")
    try {
      await scorer.score({ datasetId: DATASET, pairIds: await pairIds() })
      expect(renewing).toHaveBeenCalledTimes(2)
    } finally {
      renewing.mockRestore()
    }
  })

  it("computes nothing and opens no session when everything is in KV", async () => {
    await deliver(await receive([choice("hello", "the", "an")]))
    await loadedModels.clear()
    expect(await scorer.score({ datasetId: DATASET, pairIds: await pairIds() })).toEqual({
      ok: true,
      value: { computed: 0, fromCache: 2 },
    })
    expect(await counters()).toEqual({ sessions_opened: 1, responses_computed: 2, responses_from_cache: 2 })
    expect(loadedModels.hasSession(model.files["model.onnx"]!)).toBe(false)
  })

  it("takes 64 pairs a call and refuses 65", async () => {
    const comparisons = Array.from({ length: 65 }, (_, index) => choice(`hello ${index}`, "a", "b"))
    await deliver(await receive(comparisons))
    const ids = await pairIds()
    expect(await scorer.score({ datasetId: DATASET, pairIds: ids.slice(0, 64) })).toEqual({
      ok: true,
      value: { computed: 0, fromCache: 128 },
    })
    const refused = await scorer.score({ datasetId: DATASET, pairIds: ids })
    expect(refused).toMatchObject({ ok: false, error: { _tag: "Invalid" } })
  })

  it("names a pair that the dataset does not have", async () => {
    await createDataset("other", "tiny")
    await deliver(await receive([choice("hello", "the", "an")]))
    const [id] = await pairIds()
    expect(await scorer.score({ datasetId: "other", pairIds: [id!] })).toEqual({
      ok: false,
      error: { _tag: "NotFound", message: `dataset "other" has no pair ${id}` },
    })
  })

  it("names a dataset that is not registered, and a pair that was dropped", async () => {
    expect(await scorer.score({ datasetId: "nowhere", pairIds: [] })).toMatchObject({
      ok: false,
      error: { _tag: "NotFound", message: expect.stringContaining('dataset "nowhere" is not registered') },
    })
    await deliver(await receive([choice("hello", "the ".repeat(3000), "the")]))
    const [id] = await pairIds()
    expect(await scorer.score({ datasetId: DATASET, pairIds: [id!] })).toEqual({
      ok: false,
      error: { _tag: "Invalid", message: `pair ${id} was dropped (over-length); leave it out` },
    })
  })

  it("refuses a pair whose token ids are not as many as its lengths say", async () => {
    await deliver(await receive([choice("What is tea?", "A drink.", "A stone.")]))
    const [id] = await pairIds()
    await bindings.DB.prepare("UPDATE pairs SET chosen_tokens = chosen_tokens + 1").run()
    expect(await scorer.score({ datasetId: DATASET, pairIds: [id!] })).toEqual({
      ok: false,
      error: { _tag: "Invalid", message: `pair ${id} has no token ids that fit its lengths; ingest it again` },
    })
  })

  it("sends the caller to a runner when the model is too large for an isolate", async () => {
    const contents = { ...model.contents, "model.onnx": new Uint8Array(MAX_GRAPH_BYTES + 1) }
    const files = { ...model.files, "model.onnx": await sha256Hex(contents["model.onnx"]) }
    await registerModel("large", { contents, files })
    await createDataset("large", "large")
    await deliver(await receive([choice("hello", "the", "an")], "large"))
    expect(await scorer.score({ datasetId: "large", pairIds: await pairIds() })).toEqual({
      ok: false,
      error: {
        _tag: "Invalid",
        message: `model.onnx has ${MAX_GRAPH_BYTES + 1} bytes and an edge isolate takes ${MAX_GRAPH_BYTES}; let runners compute the reference (PATCH /v1/datasets/{id} with {"reference":{"place":"runner"}}), or use a smaller model`,
      },
    })
  })

  it("scores what fits and refuses a response that needs more memory than an isolate has", async () => {
    await registerModel("roomy", await makeTinyModel(1, 8192, 4096))
    await createDataset("roomy", "roomy", { maxLength: 8192 })
    const comparisons = [choice("hello", "the", "x".repeat(4000)), choice("hello", "he", "an", "two")]
    await deliver(await receive(comparisons, "roomy"))
    expect(await counters()).toEqual({ sessions_opened: 1, responses_computed: 3 })
    expect((await pairs()).map(({ status }) => status)).toEqual(["ready", "ready"])
    const refused = await scorer.score({ datasetId: "roomy", pairIds: await pairIds() })
    expect(refused).toMatchObject({
      ok: false,
      error: {
        _tag: "Invalid",
        message: expect.stringMatching(
          /^responses of up to 40\d\d tokens with their prompt \(1 of them\) do not fit an edge isolate; let runners compute the reference /,
        ),
      },
    })
    expect(await counters()).toMatchObject({ responses_computed: 3, responses_from_cache: 3 })
  })

  it("says that the registered graph is no model", async () => {
    const contents = { ...model.contents, "model.onnx": new Uint8Array(100).fill(7) }
    const files = { ...model.files, "model.onnx": await sha256Hex(contents["model.onnx"]) }
    await registerModel("broken", { contents, files })
    await createDataset("broken", "broken")
    await deliver(await receive([choice("hello", "the", "an")], "broken"))
    expect(await scorer.score({ datasetId: "broken", pairIds: await pairIds() })).toMatchObject({
      ok: false,
      error: { _tag: "Invalid", message: expect.stringMatching(/^model.onnx of the reference model cannot be used: /) },
    })
    expect(await scorer.score({ datasetId: DATASET, pairIds: [] })).toMatchObject({ ok: true })
  })

  it("is unavailable, to be tried again, while the graph's blob is missing", async () => {
    await deliver(await receive([choice("hello", "the", "an")]))
    await forget()
    await loadedModels.clear()
    await bindings.BLOBS.delete(`blobs/${model.files["model.onnx"]}`)
    expect(await scorer.score({ datasetId: DATASET, pairIds: await pairIds() })).toEqual({
      ok: false,
      error: {
        _tag: "Unavailable",
        message: `model.onnx: the blob ${model.files["model.onnx"]} is missing; upload it again`,
      },
    })
  })
})
