// `yohaku export --format gguf`: every value where it belongs and rounded once, a file that is whole or not there, and what is refused.
import { spawnSync } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import path from "node:path"
import { afterAll, describe, expect, test } from "vitest"
import { NotEnoughSpace } from "#gpu-runner/data/errors.ts"
import { sha256 } from "#gpu-runner/data/files.ts"
import { writeGgufModel } from "#gpu-runner/data/model/gguf-model.ts"
import { mergeAdapter } from "#gpu-runner/data/model/merge-adapter.ts"
import { readAdapterFolder, readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { InvalidGguf } from "#shared/formats/gguf/container.ts"
import { interleaveHalves } from "#shared/formats/gguf/names.ts"
import { asFloat32, encodeTensor, tensorOf, writeSafetensors } from "#shared/formats/weights/safetensors.ts"
import { runYohaku, runYohakuJson } from "#test/gpu-runner/support/run-yohaku.ts"
import { smallFields } from "#test/reference/random-decoder.ts"
import { readGguf } from "#test/shared/formats/support/read-gguf.ts"
import { CHAT_TEMPLATE, VOCABULARY_SIZE } from "#test/shared/tokenisation/byte-level-tokenizer.ts"
import {
  createWorkspace,
  shard,
  storeAs,
  storedTensors,
  TINY_FIELDS,
  writeTinyAdapter,
  writeTinyModel,
} from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)

const read = (file: string) => readGguf(readFileSync(file))
const options = { weights: "f16", adapter: undefined, name: "tiny" } as const

describe("a model of Llama's layout", () => {
  test("has the values of its folder in f16, rows of q and k in llama.cpp's order, norms in f32, tokenizer and template", async () => {
    const base = writeTinyModel(workspace, "base")
    const out = workspace.at("f16")
    const { code, result } = await runYohakuJson("export", "--model", base, "--format", "gguf", "--out", out)
    expect(code).toBe(0)
    expect(result).toEqual({ out, files: { "model.gguf": sha256(readFileSync(`${out}/model.gguf`)) }, differences: [] })
    expect(readdirSync(out).sort()).toEqual(["README.md", "model.gguf"])
    const { metadata, tensors } = read(`${out}/model.gguf`)
    const value = (key: string) => metadata.get(key)?.value
    expect(value("general.architecture")).toBe("llama")
    expect(value("general.file_type")).toBe(1)
    expect(value("tokenizer.chat_template")).toBe(CHAT_TEMPLATE)
    expect(value("tokenizer.ggml.tokens")).toHaveLength(VOCABULARY_SIZE)
    expect(value("tokenizer.ggml.add_bos_token")).toBe(1)
    const stored = storedTensors(base)
    const halves = (name: string) => [...asFloat32(encodeTensor(name, [], asFloat32(stored.get(name)!), "F16"))]
    expect(tensors.get("token_embd.weight")).toEqual({
      dimensions: [32, VOCABULARY_SIZE],
      type: 1,
      values: halves("model.embed_tokens.weight"),
    })
    const q = Float32Array.from(halves("model.layers.1.self_attn.q_proj.weight"))
    expect(tensors.get("blk.1.attn_q.weight")!.values).toEqual([...interleaveHalves(q, 4, 32)])
    const k = Float32Array.from(halves("model.layers.1.self_attn.k_proj.weight"))
    expect(tensors.get("blk.1.attn_k.weight")!.values).toEqual([...interleaveHalves(k, 2, 32)])
    expect(tensors.get("output_norm.weight")).toEqual({
      dimensions: [32],
      type: 0,
      values: [...asFloat32(stored.get("model.norm.weight")!)],
    })
    expect(tensors.has("output.weight")).toBe(false)
    expect(tensors.size).toBe(stored.size)
  })

  test("is the same file from shards, and keeps stored bf16 as it is", async () => {
    const base = writeTinyModel(workspace, "whole")
    storeAs(base, "BF16")
    const model = await readModelFolder(base)
    const whole = writeGgufModel(model, workspace.at("whole.gguf"), { ...options, weights: "bf16" })
    const stored = storedTensors(base)
    shard(base)
    const sharded = writeGgufModel(await readModelFolder(base), workspace.at("sharded.gguf"), {
      ...options,
      weights: "bf16",
    })
    expect(sharded.digest).toBe(whole.digest)
    expect(read(workspace.at("whole.gguf")).tensors.get("blk.0.ffn_up.weight")).toMatchObject({
      type: 30,
      values: [...asFloat32(stored.get("model.layers.0.mlp.up_proj.weight")!)],
    })
  })

  test("has an adapter folded in with one rounding, and in q8_0 within half a step of the merged weight", async () => {
    const base = writeTinyModel(workspace, "adapted")
    const adapterDir = await writeTinyAdapter(workspace, base, "adapted-adapter")
    const model = await readModelFolder(base)
    const { adapter } = readAdapterFolder(adapterDir, model)
    const merged = asFloat32(mergeAdapter(model.tensors, adapter).get("model.layers.0.mlp.gate_proj.weight")!)
    const valuesOf = (weights: "f32" | "q8_0") => {
      const file = workspace.at(`merged-${weights}.gguf`)
      writeGgufModel(model, file, { ...options, weights, adapter })
      return read(file).tensors.get("blk.0.ffn_gate.weight")!
    }
    expect(valuesOf("f32")).toMatchObject({ type: 0, values: [...merged] })
    const quantised = valuesOf("q8_0")
    expect(quantised.type).toBe(8)
    for (let block = 0; block < merged.length; block += 32) {
      const step = Math.max(...merged.subarray(block, block + 32).map(Math.abs)) / 127
      for (let at = block; at < block + 32; at++) {
        expect(Math.abs(quantised.values[at]! - merged[at]!)).toBeLessThanOrEqual(step * (0.5 + 127 * 2 ** -11))
      }
    }
  })
})

test("Gemma's norms are what they multiply by, and Llama 3's scaled positions a tensor of factors", async () => {
  const fields = { ...TINY_FIELDS, num_attention_heads: 4, num_key_value_heads: 2 }
  const gemma = writeTinyModel(workspace, "gemma", 1, smallFields("gemma2", { ...fields, query_pre_attn_scalar: 8 }))
  writeGgufModel(await readModelFolder(gemma), workspace.at("gemma.gguf"), options)
  const norm = asFloat32(storedTensors(gemma).get("model.layers.0.input_layernorm.weight")!)
  expect(read(workspace.at("gemma.gguf")).tensors.get("blk.0.attn_norm.weight")!.values).toEqual([
    ...norm.map((value) => 1 + value),
  ])
  const llama3 = writeTinyModel(workspace, "llama3", 1, smallFields("llama", fields))
  writeGgufModel(await readModelFolder(llama3), workspace.at("llama3.gguf"), options)
  const factors = read(workspace.at("llama3.gguf")).tensors.get("rope_freqs.weight")!
  expect(factors).toMatchObject({ dimensions: [4], type: 0 })
  expect(factors.values[0]).toBe(1)
  expect(factors.values[3]).toBe(8)
})

describe("the command", () => {
  test("says what llama.cpp does otherwise, in its answer, beside it and in the card", async () => {
    const fields = smallFields("mistral", { ...TINY_FIELDS, sliding_window: 20 })
    const base = writeTinyModel(workspace, "windowed", 1, fields)
    const out = workspace.at("windowed-gguf")
    const { told, result } = await runYohakuJson("export", "--model", base, "--format", "gguf", "--out", out)
    expect(result.differences).toEqual([expect.stringContaining("context_length is 20")])
    expect(told).toContain("in llama.cpp: context_length is 20")
    expect(readFileSync(`${out}/README.md`, "utf8")).toMatch(/\| in llama\.cpp \| context_length is 20/)
  })

  test("replaces an earlier export and what a killed one left, and nothing else", async () => {
    const base = writeTinyModel(workspace, "again")
    const out = workspace.at("again-gguf")
    const again = () => runYohaku("export", "--model", base, "--format", "gguf", "--weights", "q8_0", "--out", out)
    // The number of a process that has ended.
    const { pid } = spawnSync(process.execPath, ["--version"])
    workspace.write(`again-gguf/model.gguf.${pid}.temporary`, "half")
    expect((await again()).code).toBe(0)
    expect((await again()).code).toBe(0)
    expect(readdirSync(out).sort()).toEqual(["README.md", "model.gguf"])
    workspace.write(`again-gguf/model.gguf.${process.pid}.temporary`, "being written")
    expect(await again()).toMatchObject({
      code: 2,
      told: expect.stringContaining(`holds model.gguf.${process.pid}.temporary`),
    })
  })

  test("refuses a tokenizer that cuts as none of llama.cpp's, the demo's, and takes a near one where it is named", async () => {
    const base = path.join(import.meta.dirname, "../../../../infra/demo/model")
    const run = (...more: string[]) =>
      runYohakuJson("export", "--model", base, "--format", "gguf", "--out", workspace.at("demo-gguf"), ...more)
    const refused = await run()
    expect(refused).toMatchObject({
      code: 1,
      told: expect.stringContaining("or take one that is near by --pre (gpt-2, "),
    })
    expect(existsSync(workspace.at("demo-gguf", "model.gguf"))).toBe(false)
    expect((await run("--pre", "gpt-2")).result.differences).toEqual([
      expect.stringContaining("texts are cut as gpt-2"),
    ])
    expect(await run("--pre", "tekken")).toMatchObject({
      code: 2,
      told: expect.stringContaining("one of gpt-2, smollm"),
    })
  })

  test("knows its weights by format", async () => {
    const base = writeTinyModel(workspace, "weights")
    const run = (format: string, weights: string) =>
      runYohaku("export", "--model", base, "--format", format, "--weights", weights, "--out", workspace.at("nowhere"))
    expect(await run("gguf", "int8")).toMatchObject({
      code: 2,
      told: expect.stringContaining("one of f16, f32, bf16, q8_0"),
    })
    expect(await run("onnx", "q8_0")).toMatchObject({
      code: 2,
      told: expect.stringContaining("one of f32, bf16, f16, int8"),
    })
    expect(await run("merged", "f16")).toMatchObject({
      code: 2,
      told: expect.stringContaining("belongs to onnx and gguf"),
    })
    expect(existsSync(workspace.at("nowhere"))).toBe(false)
  })
})

describe("nothing is left where a file cannot be written whole:", () => {
  test("a value that f16 does not hold", async () => {
    const base = writeTinyModel(workspace, "large")
    const tensors = storedTensors(base)
    const name = "model.layers.1.mlp.gate_proj.weight"
    const { shape } = tensors.get(name)!
    const values = asFloat32(tensors.get(name)!).slice()
    values[5] = 70_000
    tensors.set(name, tensorOf(name, shape, values))
    workspace.write("large/model.safetensors", writeSafetensors([...tensors.values()], { format: "pt" }))
    const model = await readModelFolder(base)
    const write = () => writeGgufModel(model, workspace.at("large-gguf", "model.gguf"), options)
    expect(write).toThrow(InvalidGguf)
    expect(write).toThrow(/blk\.1\.ffn_gate\.weight holds 70000, which these weights cannot; use --weights bf16 or f32/)
    expect(readdirSync(workspace.at("large-gguf"))).toEqual([])
    writeGgufModel(model, workspace.at("large-gguf", "model.gguf"), { ...options, weights: "q8_0" })
    expect(readdirSync(workspace.at("large-gguf"))).toEqual(["model.gguf"])
  })

  test("a disk without the room, which is seen before anything is written", async () => {
    const model = await readModelFolder(writeTinyModel(workspace, "roomy"))
    const { bytes } = writeGgufModel(model, workspace.at("measured.gguf"), options)
    expect(readFileSync(workspace.at("measured.gguf"))).toHaveLength(bytes)
    // What is needed is known from the sizes: hundreds of terabytes.
    const huge = { ...model, config: { ...model.config, intermediateSize: 2 ** 40 } }
    const write = () => writeGgufModel(huge, workspace.at("roomy-gguf", "model.gguf"), options)
    expect(write).toThrow(NotEnoughSpace)
    expect(write).toThrow(/GB are still to be written; make room there, or choose another folder/)
    expect(readdirSync(workspace.at("roomy-gguf"))).toEqual([])
  })
})
