// A base model that cannot be used is told apart before it is registered, by what scoring would fail on.
import { exports } from "cloudflare:workers"
import { beforeEach, describe, expect, it } from "vitest"
import { referenceFingerprint, sha256Hex } from "#shared/formats/digest.ts"
import { decoderTensorShapes } from "#shared/formats/families/decoder-config.ts"
import { MAX_GRAPH_BYTES } from "#shared/formats/onnx/edge-fit.ts"
import { exportOnnxGraph } from "#shared/formats/onnx/export-graph.ts"
import { weightsDigest } from "#shared/formats/weights/safetensors-index.ts"
import { tensorOf } from "#shared/formats/weights/tensor.ts"
import type { ReferenceUse, ScorerRpc } from "#shared/wire/services.ts"
import { loadedModels } from "#workers/scorer/LoadedModels.ts"
import { tokeniserKey } from "#workers/scorer/ReferenceModel.ts"
import { choice, counters, deliver, model, putBlob, receive, startWorld } from "./world.ts"

const scorer = (exports as unknown as { Scorer: ScorerRpc }).Scorer

beforeEach(startWorld)

const utf8 = (text: string) => new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>

/** The tiny model with some files in other words; null takes one away. */
const checkWith = async (
  changes: Readonly<Record<string, Uint8Array<ArrayBuffer> | null>>,
  form: Omit<ReferenceUse, "files"> = {},
) => {
  const files: Record<string, string> = { ...model.files }
  for (const [name, bytes] of Object.entries(changes)) {
    if (bytes === null) delete files[name]
    else files[name] = await putBlob(bytes, await sha256Hex(bytes))
  }
  return scorer.checkReference({ files, ...form })
}

const changed = (name: string, change: (fields: Record<string, unknown>) => object) =>
  utf8(JSON.stringify(change(JSON.parse(new TextDecoder().decode(model.contents[name])))))

const AT_EDGE = {
  ok: true,
  value: {
    place: "edge",
    why: expect.stringMatching(
      /^ONNX Runtime needs 12\.\d MiB for 0\.\d MiB of f32 weights and rows of 64 tokens, of 96\.0 MiB; it scored a known sequence$/,
    ),
    precision: "stored",
    maxPositions: 256,
  },
}

const byRunners = (why: RegExp, precision = "stored") => ({
  ok: true,
  value: { place: "runner", why: expect.stringMatching(why), precision, maxPositions: 256 },
})

const withoutTemplate = () => ({
  "tokenizer_config.json": changed("tokenizer_config.json", ({ chat_template: _, ...config }) => config),
})

describe("a dataset's form", () => {
  it("is taken where the model has what it needs", async () => {
    expect(await checkWith({}, { promptForm: "text" })).toEqual(AT_EDGE)
    expect(await checkWith({}, { promptForm: "chat" })).toEqual(AT_EDGE)
    expect(await checkWith(withoutTemplate(), {})).toEqual(AT_EDGE)
  })

  it.each<[string, () => Record<string, Uint8Array<ArrayBuffer> | null>, Omit<ReferenceUse, "files">, RegExp]>([
    ["of conversations needs a template", withoutTemplate, { promptForm: "chat" }, /the model has no chat template/],
    [
      "with a system text needs a template",
      withoutTemplate,
      { systemText: "Be brief." },
      /the model has no chat template/,
    ],
    ["with a system text needs a template that takes one", () => ({}), { systemText: "Be brief." }, /no system role/],
  ])("%s", async (_, changes, form, message) => {
    expect(await checkWith(changes(), form)).toEqual({
      ok: false,
      error: { _tag: "Invalid", message: expect.stringMatching(message) },
    })
  })
})

describe("a base model", () => {
  it("that can be used is opened once, and its session scores the first pairs", async () => {
    expect(await scorer.checkReference({ files: model.files })).toEqual(AT_EDGE)
    await deliver(await receive([choice("hello", "the", "an")]))
    expect(await counters()).toEqual({ sessions_opened: 1, responses_computed: 2 })
  })

  it("without a graph is scored by runners: its tokenizer and template are tried, its weights are not read", async () => {
    const byRunner = byRunners(
      /^the model has no model\.onnx, by which the edge computes; with one, ONNX Runtime needs 12\.\d MiB for 0\.\d MiB of f32 weights and rows of 64 tokens, of 96\.0 MiB: yohaku model push --model DIR writes and registers it, of a model of a hub after yohaku model pull, and not with --from-hub; then make a dataset of that version$/,
    )
    expect(await checkWith({ "model.onnx": null })).toEqual(byRunner)
    expect(await counters()).toEqual({})
    const bad = await checkWith({ "model.onnx": null, "tokenizer.json": utf8("{}") })
    expect(bad).toMatchObject({ ok: false, error: { message: expect.stringMatching(/^tokenizer\.json/) } })
  })

  it("without a graph is told how to write one only where the edge would take it", async () => {
    const sized = (fields: object) => ({
      "model.onnx": null,
      "config.json": changed("config.json", (config) => ({ ...config, ...fields })),
    })
    const large = sized({ hidden_size: 4096, intermediate_size: 14336, num_hidden_layers: 32, head_dim: 128 })
    expect(await checkWith(large)).toEqual(
      byRunners(/^no graph of it would fit the edge: \d+\.\d MiB of f16 weights take up to \d+\.\d MiB while they/),
    )
    const between = sized({ intermediate_size: 8000, num_hidden_layers: 32 })
    expect(await checkWith(between)).toEqual(
      byRunners(/^no graph .* in int8 would fit, for reference.precision "int8"$/),
    )
    expect(await checkWith(between, { precision: "bf16" })).toEqual(
      byRunners(/^no graph of it would fit the edge: (?!.*int8)/, "bf16"),
    )
    expect(await checkWith(between, { precision: "int8" })).toEqual(
      byRunners(/^the model has no model\.onnx.* of int8 weights .* --weights int8 writes it;/, "int8"),
    )
    expect(await checkWith(sized({}), { precision: "nf4" })).toEqual(
      byRunners(/^the edge computes no reference in nf4, whatever graph a model has$/, "nf4"),
    )
  })

  it("with a tokenizer that would fill the isolate is refused with the numbers, with a graph and without", async () => {
    const tokenizer = { "tokenizer.json": utf8(JSON.stringify({ comment: " ".repeat(8_000_000) })) }
    const mend = "use a base model with a smaller tokenizer, or train from files: yohaku train tokenises by itself"
    const refused = {
      ok: false,
      error: {
        _tag: "Invalid",
        message: expect.stringMatching(
          new RegExp(
            `^tokenizer.json with 0 tokens, 0 merges and 7\\.\\d MB besides, as far as it was read, takes 2\\d\\.\\d MB, and an edge isolate has 25\\.0 MB for tokenizers; ${mend}$`,
          ),
        ),
      },
    }
    expect(await checkWith(tokenizer)).toEqual(refused)
    expect(await checkWith({ ...tokenizer, "model.onnx": null })).toEqual(refused)
  })

  it("that two ask for at once is loaded once, and both are answered", async () => {
    const asked = [1, 2, 3].map(() => checkWith({ "model.onnx": null }))
    expect(await Promise.all(asked)).toEqual(asked.map(() => byRunners(/has no model\.onnx/)))
  })

  it("with a graph that is too large is scored by runners, and is refused where the edge is asked for", async () => {
    const large = { "model.onnx": new Uint8Array(MAX_GRAPH_BYTES + 1_000_000) }
    const why = /^model\.onnx has 47\.1 MB, and an edge isolate takes 46\.1 MB$/
    expect(await checkWith(large)).toEqual(byRunners(why))
    expect(await checkWith(large, { place: "edge" })).toEqual({
      ok: false,
      error: {
        _tag: "Invalid",
        message:
          'the edge cannot compute this reference: model.onnx has 47.1 MB, and an edge isolate takes 46.1 MB; leave reference.place out, or say "runner"',
      },
    })
  })

  it("that the edge could score is scored by runners where they are asked for, or another precision is; its graph is not opened", async () => {
    expect(await checkWith({}, { place: "runner" })).toEqual(byRunners(/^it was asked for$/))
    expect(await checkWith({}, { precision: "nf4" })).toEqual(
      byRunners(/^the edge computes in f32 on the weights as stored, and the reference is to be in nf4$/, "nf4"),
    )
    expect(await counters()).toEqual({})
    expect(await checkWith({}, { precision: "f32" })).toMatchObject({ ok: true, value: { place: "edge" } })
    expect(await checkWith({}, { place: "edge", precision: "int8" })).toMatchObject({ ok: false })
  })

  it("with a graph of rounded weights is the edge's in that precision, under a fingerprint of its own, and the runners' in another", async () => {
    const shapes = decoderTensorShapes(model.config)
    const tensors = new Map(
      [...model.weights].map(([name, values]) => [name, tensorOf(name, shapes.get(name)!, values)]),
    )
    const rounded = exportOnnxGraph({ config: model.config, tensors }, "int8")
    const changes = { "model.onnx": rounded }
    expect(await checkWith(changes, { precision: "int8" })).toMatchObject({ ok: true, value: { place: "edge" } })
    expect(await checkWith(changes)).toEqual(
      byRunners(/^the edge computes in f32 on weights in int8, and the reference is to be in stored$/),
    )
    const { tokenisation, ...kept } = loadedModels.tokeniser(
      tokeniserKey({ ...model.files, "model.onnx": await sha256Hex(rounded) }),
    )!
    const [weights, tokenizer] = [
      await weightsDigest([{ name: "model.safetensors", digest: model.files["model.safetensors"]! }]),
      model.files["tokenizer.json"]!,
    ]
    const template = await sha256Hex(tokenisation.chatTemplate!)
    expect(kept.referenceFingerprint).toBe(await referenceFingerprint({ weights, tokenizer, template }, "int8"))
  })

  it("has one fingerprint of its weights as stored, with a graph and without", async () => {
    const fingerprintOf = async (changes: Readonly<Record<string, Uint8Array<ArrayBuffer> | null>>) => {
      expect(await checkWith(changes)).toMatchObject({ ok: true })
      const { "model.onnx": graph } = changes
      const files = { ...model.files, ...(graph ? { "model.onnx": await sha256Hex(graph) } : {}) }
      if (graph === null) delete files["model.onnx"]
      return loadedModels.tokeniser(tokeniserKey(files))!.referenceFingerprint
    }
    expect(await fingerprintOf({ "model.onnx": null })).toBe(await fingerprintOf({}))
  })

  it("in shards is scored under the fingerprint that whoever holds its files gives it", async () => {
    const index = utf8(JSON.stringify({ weight_map: { a: "b.safetensors", c: "a.safetensors" } }))
    const shards = { "a.safetensors": utf8("one"), "b.safetensors": utf8("two") }
    const changes = { "model.safetensors": null, "model.safetensors.index.json": index, ...shards }
    expect(await checkWith(changes)).toEqual(AT_EDGE)
    const lacking = await checkWith({ ...changes, "b.safetensors": null })
    expect(lacking).toMatchObject({ ok: false, error: { message: expect.stringMatching(/names b\.safetensors/) } })
  })

  it.each<[string, () => Record<string, Uint8Array<ArrayBuffer> | null>, RegExp]>([
    ["without a file", () => ({ "tokenizer.json": null }), /^tokenizer\.json of the reference model cannot be used: /],
    ["with a configuration that is none", () => ({ "config.json": utf8("{") }), /^config\.json of the reference model/],
    [
      "of an architecture that nobody here computes",
      () => ({
        "config.json": changed("config.json", (config) => ({ ...config, architectures: ["MambaForCausalLM"] })),
      }),
      /^config\.json of the reference model cannot be used: .*Mamba/,
    ],
    [
      "with a tokenizer that is none",
      () => ({ "tokenizer.json": utf8("{}") }),
      /^tokenizer\.json of the reference model/,
    ],
    [
      "with a template that is none",
      () => ({
        "tokenizer_config.json": changed("tokenizer_config.json", (config) => ({
          ...config,
          chat_template: "{% if %}",
        })),
      }),
      /^tokenizer\.json of the reference model cannot be used: /,
    ],
    [
      "with a template that refuses a question",
      () => ({
        "tokenizer_config.json": changed("tokenizer_config.json", (config) => ({
          ...config,
          chat_template: "{{ raise_exception('no users here') }}",
        })),
      }),
      /^the chat template of the reference model cannot be used: .*no users here/,
    ],
    [
      "with a graph that is none",
      () => ({ "model.onnx": new Uint8Array(100).fill(7) }),
      /^model\.onnx of the reference/,
    ],
  ])("%s is refused with what is in the way", async (_, changes, message) => {
    expect(await checkWith(changes())).toEqual({
      ok: false,
      error: { _tag: "Invalid", message: expect.stringMatching(message) },
    })
  })
})
