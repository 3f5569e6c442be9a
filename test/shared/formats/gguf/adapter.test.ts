// GGUF adapters against what llama.cpp checks and computes: names, shapes, the scaling, and the order of q and k rows.
import { describe, expect, it } from "vitest"
import type { DecoderConfig } from "#shared/formats/families/decoder-config.ts"
import { encodeGgufAdapter } from "#shared/formats/gguf/adapter.ts"
import { InvalidGguf, writeGguf } from "#shared/formats/gguf/container.ts"
import {
  type Adapter,
  type AdapterSettings,
  adapterModuleShapes,
  InvalidAdapter,
  readAdapter,
  TARGET_MODULES,
  writeAdapter,
} from "#shared/formats/peft/adapter.ts"
import { seededRandom, smallLlamaConfig } from "#test/reference/random-decoder.ts"
import { type ReadGguf, readGguf } from "../support/read-gguf.ts"

const RANK = 3

function adapterFor(config: DecoderConfig, changes: Partial<AdapterSettings> = {}): Adapter {
  const random = seededRandom(11)
  const values = (length: number) => Float32Array.from({ length }, () => random() - 0.5)
  const settings = { baseModel: "acme/tiny", rank: RANK, alpha: 12, targetModules: TARGET_MODULES, ...changes }
  const modules = new Map(
    [...adapterModuleShapes(config, settings.targetModules)].map(([path, shape]) => [
      path,
      { a: values(settings.rank * shape.in), b: values(settings.rank * shape.out) },
    ]),
  )
  return readAdapter(writeAdapter(settings, modules, config), config)
}

const config = smallLlamaConfig()
const adapter = adapterFor(config)
const options = { dtype: "F32" as const, name: "tiny-lora" }
const file = readGguf(encodeGgufAdapter(adapter, config, options))

describe("a GGUF adapter", () => {
  it("has the metadata that llama.cpp asks for", () => {
    expect(file.version).toBe(3)
    expect(Object.fromEntries([...file.metadata].map(([key, { value }]) => [key, value]))).toEqual({
      "general.architecture": "llama",
      "general.type": "adapter",
      "general.name": "tiny-lora",
      "general.file_type": 0,
      "adapter.type": "lora",
      "adapter.lora.alpha": 12,
    })
    expect(file.metadata.get("adapter.lora.alpha")!.type).toBe(6)
  })

  it("names its tensors after the base's, A [in, rank] and B [rank, out] in GGUF's order", () => {
    const layer = (index: number) => [
      `blk.${index}.attn_q.weight.lora_a [24,3]`,
      `blk.${index}.attn_q.weight.lora_b [3,24]`,
      `blk.${index}.attn_k.weight.lora_a [24,3]`,
      `blk.${index}.attn_k.weight.lora_b [3,12]`,
      `blk.${index}.attn_v.weight.lora_a [24,3]`,
      `blk.${index}.attn_v.weight.lora_b [3,12]`,
      `blk.${index}.attn_output.weight.lora_a [24,3]`,
      `blk.${index}.attn_output.weight.lora_b [3,24]`,
      `blk.${index}.ffn_gate.weight.lora_a [24,3]`,
      `blk.${index}.ffn_gate.weight.lora_b [3,40]`,
      `blk.${index}.ffn_up.weight.lora_a [24,3]`,
      `blk.${index}.ffn_up.weight.lora_b [3,40]`,
      `blk.${index}.ffn_down.weight.lora_a [40,3]`,
      `blk.${index}.ffn_down.weight.lora_b [3,24]`,
    ]
    const listed = [...file.tensors].map(([name, { dimensions }]) => `${name} [${dimensions}]`)
    expect(listed).toEqual([...layer(0), ...layer(1)])
  })

  it("keeps every value of the modules whose rows stay in order, and of every A", () => {
    for (const [path, name] of [
      ["self_attn.v_proj", "attn_v"],
      ["self_attn.o_proj", "attn_output"],
      ["mlp.down_proj", "ffn_down"],
    ]) {
      const { a, b } = adapter.modules.get(`model.layers.1.${path}`)!
      expect(file.tensors.get(`blk.1.${name}.weight.lora_a`)!.values).toEqual([...a])
      expect(file.tensors.get(`blk.1.${name}.weight.lora_b`)!.values).toEqual([...b])
    }
    const { a } = adapter.modules.get("model.layers.0.self_attn.q_proj")!
    expect(file.tensors.get("blk.0.attn_q.weight.lora_a")!.values).toEqual([...a])
  })

  it("folds α/√r into an alpha that alpha / rank gives the same scaling from", () => {
    const stabilised = adapterFor(config, { useRankStabilisedScaling: true })
    const { metadata, tensors } = readGguf(encodeGgufAdapter(stabilised, config, options))
    const alpha = metadata.get("adapter.lora.alpha")!.value as number
    const rank = tensors.get("blk.0.attn_q.weight.lora_b")!.dimensions[0]!
    expect(alpha / rank).toBeCloseTo(12 / Math.sqrt(RANK), 5)
  })

  it("may be F16, rounded to nearest", () => {
    const half = readGguf(encodeGgufAdapter(adapter, config, { dtype: "F16" }))
    expect(half.metadata.get("general.file_type")!.value).toBe(1)
    for (const [name, { type, values }] of half.tensors) {
      expect(type).toBe(1)
      values.forEach((value, index) => {
        expect(Math.abs(value - file.tensors.get(name)!.values[index]!)).toBeLessThanOrEqual(2 ** -12 * 0.5)
      })
    }
  })

  it("is not written with values that F16 cannot hold, or names that ggml cannot", () => {
    const large = adapterFor(config)
    large.modules.get("model.layers.0.mlp.up_proj")!.b[5] = 70_000
    expect(() => encodeGgufAdapter(large, config, { dtype: "F16" })).toThrow(InvalidAdapter)
    const tensor = { dimensions: [1], dtype: "F32" as const, data: new Uint8Array(4) }
    expect(() => writeGguf([], [{ ...tensor, name: "n".repeat(64) }])).toThrow(InvalidGguf)
    expect(() =>
      writeGguf(
        [],
        [
          { ...tensor, name: "n" },
          { ...tensor, name: "n" },
        ],
      ),
    ).toThrow("twice")
    expect(() => writeGguf([], [{ ...tensor, name: "n", dimensions: [2] }])).toThrow("needs 8")
  })
})

/** Rotates pairs of a head's vector by position · θ_j, j-th pair at `pair(j)`. f64. */
function rotate(vector: readonly number[], position: number, pair: (j: number) => readonly [number, number]): number[] {
  const result = [...vector]
  for (let j = 0; j < vector.length / 2; j++) {
    const angle = position * 10_000 ** ((-2 * j) / vector.length)
    const [first, second] = pair(j)
    result[first] = vector[first]! * Math.cos(angle) - vector[second]! * Math.sin(angle)
    result[second] = vector[second]! * Math.cos(angle) + vector[first]! * Math.sin(angle)
  }
  return result
}

/** (W + s·B A) x in f64; B [out, rank], A [rank, in]. */
function project(w: readonly number[], b: ArrayLike<number>, a: ArrayLike<number>, s: number, x: readonly number[]) {
  const low = Array.from({ length: RANK }, (_, r) => x.reduce((sum, value, i) => sum + a[r * x.length + i]! * value, 0))
  return Array.from({ length: w.length / x.length }, (_, row) => {
    const dense = x.reduce((sum, value, i) => sum + w[row * x.length + i]! * value, 0)
    return dense + s * low.reduce((sum, value, r) => sum + b[row * RANK + r]! * value, 0)
  })
}

/** What convert_hf_to_gguf.py does to a base's q and k: reshape(heads, 2, D/2, in).swapaxes(1, 2). */
function permuted(w: readonly number[], heads: number, columns: number): number[] {
  const half = w.length / columns / heads / 2
  const result: number[] = []
  for (let head = 0; head < heads; head++)
    for (let j = 0; j < half; j++)
      for (let part = 0; part < 2; part++) {
        const row = (head * 2 + part) * half + j
        result.push(...w.slice(row * columns, (row + 1) * columns))
      }
  return result
}

/** Attention scores of one query position against one key position, per query head. */
function attentionScores(q: number[], k: number[], positions: readonly [number, number], isInterleaved: boolean) {
  const { headCount, keyValueHeadCount, headSize } = config
  const pair = (j: number): [number, number] => (isInterleaved ? [2 * j, 2 * j + 1] : [j, j + headSize / 2])
  return Array.from({ length: headCount }, (_, head) => {
    const keyHead = Math.floor((head * keyValueHeadCount) / headCount)
    const query = rotate(q.slice(head * headSize, (head + 1) * headSize), positions[0], pair)
    const key = rotate(k.slice(keyHead * headSize, (keyHead + 1) * headSize), positions[1], pair)
    return query.reduce((sum, value, i) => sum + value * key[i]!, 0)
  })
}

function scoresOf(gguf: ReadGguf | undefined): number[] {
  const random = seededRandom(23)
  const uniform = (length: number) => Array.from({ length }, () => random() - 0.5)
  const { headCount, keyValueHeadCount, headSize, hiddenSize } = config
  const heads = { q_proj: headCount, k_proj: keyValueHeadCount }
  const x = { q_proj: uniform(hiddenSize), k_proj: uniform(hiddenSize) }
  const [q, k] = (["q_proj", "k_proj"] as const).map((name) => {
    const weight = uniform(heads[name] * headSize * hiddenSize)
    const { a, b } = adapter.modules.get(`model.layers.0.self_attn.${name}`)!
    if (!gguf) return project(weight, b, a, adapter.scaling, x[name])
    const target = name === "q_proj" ? "blk.0.attn_q.weight" : "blk.0.attn_k.weight"
    const scale = (gguf.metadata.get("adapter.lora.alpha")!.value as number) / RANK
    const read = (part: string) => gguf.tensors.get(`${target}.${part}`)!.values
    return project(permuted(weight, heads[name], hiddenSize), read("lora_b"), read("lora_a"), scale, x[name])
  })
  return attentionScores(q!, k!, [9, 4], gguf !== undefined)
}

it("gives llama.cpp's interleaved rotation the attention that Hugging Face's rotation by halves has", () => {
  const expected = scoresOf(undefined)
  scoresOf(file).forEach((score, head) => {
    expect(Math.abs(score - expected[head]!)).toBeLessThan(1e-9)
  })
  expect(Math.max(...expected.map(Math.abs))).toBeGreaterThan(0.1)
})
