// A base model that cannot be used is told apart before it is registered, by what scoring would fail on.
import { exports } from "cloudflare:workers"
import { beforeEach, describe, expect, it } from "vitest"
import { sha256Hex } from "#shared/formats/digest.ts"
import type { ReferenceUse, ScorerRpc } from "#shared/wire/services.ts"
import { MAX_CHECKED_TOKENIZER_BYTES, MAX_MODEL_BYTES } from "#workers/scorer/ReferenceModel.ts"
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
      /^model\.onnx has 0\.\d MB, of at most 21\.0 MB that an edge isolate takes, and scored a known sequence$/,
    ),
    precision: "stored",
  },
}

const byRunners = (why: RegExp, precision = "stored") => ({
  ok: true,
  value: { place: "runner", why: expect.stringMatching(why), precision },
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
    const byRunner = byRunners(/^the model has no model\.onnx, by which the edge computes .*up to 21\.0 MB are taken/)
    expect(await checkWith({ "model.onnx": null })).toEqual(byRunner)
    expect(await counters()).toEqual({})
    const bad = await checkWith({ "model.onnx": null, "tokenizer.json": utf8("{}") })
    expect(bad).toMatchObject({ ok: false, error: { message: expect.stringMatching(/^tokenizer\.json/) } })
    const large = utf8(" ".repeat(MAX_CHECKED_TOKENIZER_BYTES + 1))
    expect(await checkWith({ "model.onnx": null, "tokenizer.json": large })).toEqual(byRunner)
  })

  it("with a graph that is too large is scored by runners, and is refused where the edge is asked for", async () => {
    const large = { "model.onnx": new Uint8Array(MAX_MODEL_BYTES + 1_000_000) }
    const why = /^model\.onnx has 22\.0 MB, and an edge isolate of 128 MB takes 21\.0 MB$/
    expect(await checkWith(large)).toEqual(byRunners(why))
    expect(await checkWith(large, { place: "edge" })).toEqual({
      ok: false,
      error: {
        _tag: "Invalid",
        message:
          'the edge cannot compute this reference: model.onnx has 22.0 MB, and an edge isolate of 128 MB takes 21.0 MB; leave reference.place out, or say "runner"',
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
