import { describe, expect, it } from "vitest"
import type { DecoderConfig } from "#shared/formats/families/decoder-config.ts"
import { BASE_WEIGHTS, heldBytes, heldKind, isExact } from "#shared/formats/weights/base-weights.ts"
import { UnstorableWeight, WEIGHT_KINDS, type WeightKind } from "#shared/formats/weights/quantisation.ts"
import type { SafetensorsDtype } from "#shared/formats/weights/tensor.ts"
import { LLAMA_3_8B, smallLlamaConfig } from "#test/reference/random-decoder.ts"

const tensor = (name: string, dtype: SafetensorsDtype, shape: readonly number[] = [8, 8]) => ({ name, dtype, shape })
const LINEAR = "model.layers.0.mlp.up_proj.weight"
const EMBEDDING = "model.embed_tokens.weight"

describe("how a tensor is held", () => {
  it("is its own dtype by default", () => {
    expect((["F32", "BF16", "F16"] as const).map((dtype) => heldKind(tensor(LINEAR, dtype), "stored"))).toEqual([
      "f32",
      "bf16",
      "f16",
    ])
  })

  it("is what was asked for in linear layers, and 16 bits in embedding and head under int8 and nf4", () => {
    for (const name of [EMBEDDING, "lm_head.weight"]) {
      for (const kind of ["int8", "nf4"] as const) {
        expect(heldKind(tensor(LINEAR, "F32"), kind)).toBe(kind)
        expect(heldKind(tensor(name, "F32"), kind)).toBe("bf16")
        expect(heldKind(tensor(name, "BF16"), kind)).toBe("bf16")
        expect(heldKind(tensor(name, "F16"), kind)).toBe("f16")
      }
      expect(heldKind(tensor(name, "BF16"), "f32")).toBe("f32")
      expect(heldKind(tensor(name, "F32"), "f16")).toBe("f16")
    }
  })

  it("is f32 for norms and biases, whatever is asked for", () => {
    for (const asked of BASE_WEIGHTS) expect(heldKind(tensor("model.norm.weight", "BF16", [8]), asked)).toBe("f32")
  })

  it("cannot be said of integers", () => {
    expect(() => heldKind(tensor(LINEAR, "I32"), "nf4")).toThrow(UnstorableWeight)
  })
})

describe("exactness", () => {
  it("holds for the checkpoint's own dtype and for f32, not for a rounded or quantised base", () => {
    const halves = [tensor(EMBEDDING, "BF16"), tensor(LINEAR, "BF16"), tensor("model.norm.weight", "BF16", [8])]
    const exact = BASE_WEIGHTS.filter((asked) => isExact(halves, asked))
    expect(exact).toEqual(["stored", "f32", "bf16"])
    const mixed = [...halves, tensor("lm_head.weight", "F32")]
    expect(BASE_WEIGHTS.filter((asked) => isExact(mixed, asked))).toEqual(["stored", "f32"])
  })
})

describe("bytes of a base", () => {
  // Llama 3 8B: 6,979,321,856 weights in linear layers, 525,336,576 in each of embedding and head, 65 norms of 4096.
  const LINEARS = 6_979_321_856
  const TABLES = 2 * 525_336_576
  const NORMS = 65 * 4096 * 4
  const modelBytes = (config: DecoderConfig, kind: WeightKind) =>
    heldBytes(config, () => (kind === "f32" ? "F32" : "BF16"), kind)

  it("of the 8B Llama layout are 5.6 GiB in nf4 and 8.9 GiB in int8, with 2.0 GiB for an expanded head", () => {
    const nf4 = modelBytes(LLAMA_3_8B, "nf4")
    expect(nf4).toEqual({
      linears: (LINEARS * 4.5) / 8,
      tables: TABLES * 2,
      vectors: NORMS,
      total: 6_028_279_808,
      largestExpansion: 525_336_576 * 4,
    })
    expect((nf4.total / 2 ** 30).toFixed(2)).toBe("5.61")
    expect((modelBytes(LLAMA_3_8B, "int8").total / 2 ** 30).toFixed(2)).toBe("8.86")
  })

  it("of the 8B Llama layout are 15.0 GiB in 16 bits and 29.9 GiB in f32, where nothing is expanded", () => {
    expect(modelBytes(LLAMA_3_8B, "bf16").total).toBe(2 * (LINEARS + TABLES) + NORMS)
    expect(modelBytes(LLAMA_3_8B, "f16")).toEqual(modelBytes(LLAMA_3_8B, "bf16"))
    expect(modelBytes(LLAMA_3_8B, "f32")).toMatchObject({ total: 4 * (LINEARS + TABLES) + NORMS, largestExpansion: 0 })
  })

  it("count a tied head once, and round rows up to whole words and blocks", () => {
    // Per layer in nf4: q, o [24, 24] have 3 words and 1 scale a row; k, v [12, 24]; gate, up [40, 24]; down [24, 40] has 5 words.
    const layer = 4 * (2 * 24 * 4 + 2 * 12 * 4 + 2 * 40 * 4 + 24 * 6)
    const tied = modelBytes(smallLlamaConfig({ tie_word_embeddings: true }), "nf4")
    expect(tied.linears).toBe(2 * layer)
    expect(tied.tables).toBe(53 * 24 * 2)
    expect(modelBytes(smallLlamaConfig(), "nf4").tables).toBe(2 * 53 * 24 * 2)
  })

  it("follow each tensor's own dtype by default", () => {
    const config = smallLlamaConfig()
    const half = heldBytes(config, (name) => (name === EMBEDDING ? "F32" : "F16"), "stored")
    expect(half.tables).toBe(53 * 24 * (4 + 2))
    expect(half.linears).toBe(modelBytes(config, "f16").linears)
  })

  it("fall from kind to kind", () => {
    const totals = WEIGHT_KINDS.map((kind) => modelBytes(LLAMA_3_8B, kind).total)
    expect(totals).toEqual(totals.toSorted((a, b) => b - a))
  })
})
