// What llama.cpp is told of each family, and what it cannot be told. The test against llama.cpp itself holds that these keys mean
// what is computed here (test/gpu-runner/data/model/llama-cpp.test.ts).
import { describe, expect, it, test } from "vitest"
import type { DecoderConfig } from "#shared/formats/families/decoder-config.ts"
import { InvalidGguf } from "#shared/formats/gguf/container.ts"
import { ggufModelKeys } from "#shared/formats/gguf/model-keys.ts"
import { ggufModelTensors } from "#shared/formats/gguf/model-tensors.ts"
import { ggufTensorName, queryFactor, scalesQueryRows } from "#shared/formats/gguf/names.ts"
import { FAMILY_NAMES, type FamilyName, smallConfig, smallLlamaConfig } from "#test/reference/random-decoder.ts"

/** The keys without the architecture before them. */
function keysOf(config: DecoderConfig): Record<string, unknown> {
  return Object.fromEntries(
    ggufModelKeys(config).metadata.map(([key, { value }]) => [key.slice(key.indexOf(".") + 1), value]),
  )
}

const full = { sliding_window: null, use_sliding_window: false }

describe("the keys of a model", () => {
  it("are its sizes, under the architecture's name", () => {
    const { metadata, differences } = ggufModelKeys(smallLlamaConfig())
    expect(Object.fromEntries(metadata.map(([key, { value }]) => [key, value]))).toEqual({
      "llama.context_length": 128,
      "llama.embedding_length": 24,
      "llama.block_count": 2,
      "llama.feed_forward_length": 40,
      "llama.attention.head_count": 4,
      "llama.attention.head_count_kv": 2,
      "llama.attention.key_length": 6,
      "llama.attention.value_length": 6,
      "llama.attention.layer_norm_rms_epsilon": 1e-5,
      "llama.vocab_size": 53,
      "llama.rope.dimension_count": 6,
      "llama.rope.freq_base": 10_000,
    })
    expect(differences).toEqual([])
  })

  it("name a linear scaling of positions; Llama 3's is a tensor of factors, 1 where nothing is scaled", () => {
    const linear = smallLlamaConfig({ rope_scaling: { rope_type: "linear", factor: 4 } })
    expect(keysOf(linear)).toMatchObject({ "rope.scaling.type": "linear", "rope.scaling.factor": 4 })
    const { ropeFactors } = ggufModelKeys(smallConfig("llama"))
    expect(ropeFactors).toHaveLength(3)
    expect(ropeFactors![0]).toBe(1)
    // Beyond the original context within one turn: by the whole factor.
    expect(ropeFactors![2]).toBe(8)
  })

  it("of Gemma 2 and 3 name windows, which layers have them, and both rotary bases", () => {
    expect(keysOf(smallConfig("gemma2"))).toMatchObject({
      "attention.sliding_window": 4,
      "attention.sliding_window_pattern": 2,
      attn_logit_softcapping: 2,
      final_logit_softcapping: 3,
    })
    expect(keysOf(smallConfig("gemma3"))).toMatchObject({
      "attention.sliding_window": 4,
      "attention.sliding_window_pattern": 2,
      "rope.freq_base": 1_000_000,
      "rope.freq_base_swa": 10_000,
      "rope.scaling.type": "linear",
      "rope.scaling.factor": 4,
    })
  })

  it("shorten the context to the window where llama.cpp has none for the family, and say so", () => {
    for (const family of ["mistral", "qwen2"] as const) {
      const config = smallConfig(family, { sliding_window: 30 })
      const { differences } = ggufModelKeys(config)
      expect(keysOf(config)).toMatchObject({ context_length: 30 })
      expect(keysOf(config)).not.toHaveProperty("attention.sliding_window")
      expect(differences).toEqual([expect.stringContaining("context_length is 30, the window, instead of 128")])
      expect(ggufModelKeys(smallConfig(family, full))).toMatchObject({ differences: [] })
      // A window that no position leaves is none.
      expect(ggufModelKeys(smallConfig(family, { sliding_window: 128 })).differences).toEqual([])
    }
  })

  it("shorten the context likewise where Gemma's layers slide in no regular order", () => {
    const layer_types = ["full_attention", "sliding_attention", "sliding_attention"]
    const config = smallConfig("gemma2", { num_hidden_layers: 3, layer_types })
    expect(keysOf(config)).toMatchObject({ context_length: 4, "attention.sliding_window": 4 })
    expect(ggufModelKeys(config).differences).toHaveLength(1)
  })
})

describe("what llama.cpp cannot be told is refused by name", () => {
  const llama3 = {
    ...{ rope_type: "llama3", factor: 8, low_freq_factor: 1, high_freq_factor: 4 },
    original_max_position_embeddings: 32,
  }
  test.each<[string, FamilyName, Record<string, unknown>, RegExp]>([
    ["heads of another size in Qwen 2", "qwen2", { head_dim: 8 }, /heads whose sizes do not add up to hidden_size/],
    ["Gemma 2 without a soft cap", "gemma2", { final_logit_softcapping: null }, /both soft caps/],
    ["Gemma 2 with a head of its own", "gemma2", { tie_word_embeddings: false }, /head of its own/],
    ["Llama 3's scaling in Qwen 3", "qwen3", { rope_scaling: llama3 }, /qwen3 has no rotary scaling llama3/],
    [
      "Gemma 3 whose sliding layers are scaled",
      "gemma3",
      { rope_parameters: { sliding_attention: { rope_type: "linear", factor: 2, rope_theta: 10_000 } } },
      /scaling linear of sliding layers/,
    ],
    [
      "Gemma 3 that slides in no regular order, with two bases",
      "gemma3",
      { num_hidden_layers: 3, layer_types: ["full_attention", "sliding_attention", "sliding_attention"] },
      /slides on all but every n-th layer/,
    ],
  ])("%s", (_, family, fields, message) => {
    const found = () => ggufModelKeys(smallConfig(family, fields))
    expect(found).toThrow(InvalidGguf)
    expect(found).toThrow(message)
  })
})

describe("the scale of attention", () => {
  it("is llama.cpp's own but for Gemma's, whose difference the rows of q or their norm carry", () => {
    const plain = FAMILY_NAMES.filter((family) => !family.startsWith("gemma"))
    for (const family of plain) expect(queryFactor(smallConfig(family))).toBe(1)
    // 1/√9 where llama.cpp has 1/√6.
    const factor = Math.sqrt(6) / 3
    for (const family of ["gemma2", "gemma3"] as const) expect(queryFactor(smallConfig(family))).toBeCloseTo(factor, 12)
    expect(scalesQueryRows(smallConfig("gemma2"))).toBe(true)
    expect(scalesQueryRows(smallConfig("gemma3"))).toBe(false)
  })

  it("is another in the largest Gemma 2 and 3, which llama.cpp tells by their layers", () => {
    const largest = { hidden_size: 24, num_attention_heads: 4, query_pre_attn_scalar: 6 }
    expect(queryFactor(smallConfig("gemma2", { ...largest, head_dim: 8, num_hidden_layers: 46 }))).toBe(1)
    expect(queryFactor(smallConfig("gemma3", { ...largest, head_dim: 8, num_hidden_layers: 62 }))).toBe(1)
    expect(queryFactor(smallConfig("gemma2", { ...largest, head_dim: 8, num_hidden_layers: 4 }))).not.toBe(1)
  })
})

describe("the tensors of a model", () => {
  it("have names of their own in every family, none left out", () => {
    for (const family of FAMILY_NAMES) {
      const tensors = ggufModelTensors(smallConfig(family), "f16")
      expect(new Set(tensors.map(({ name }) => name)).size).toBe(tensors.length)
    }
    expect(ggufTensorName("model.layers.1.post_attention_layernorm.weight", { postNorms: false })).toBe(
      "blk.1.ffn_norm.weight",
    )
    expect(ggufTensorName("model.layers.1.post_attention_layernorm.weight", { postNorms: true })).toBe(
      "blk.1.post_attention_norm.weight",
    )
    expect(ggufTensorName("model.layers.1.mlp.gate_proj.bias_of_another", { postNorms: false })).toBeUndefined()
  })

  it("are f32 where they have one dimension, and f16 where rows are no whole blocks of Q8_0", () => {
    const config = smallLlamaConfig({ hidden_size: 64, intermediate_size: 40, head_dim: 16 })
    const dtypes = Object.fromEntries(ggufModelTensors(config, "q8_0").map(({ name, dtype }) => [name, dtype]))
    expect(dtypes).toMatchObject({
      "token_embd.weight": "Q8_0",
      "blk.0.attn_norm.weight": "F32",
      "blk.0.attn_q.weight": "Q8_0",
      "blk.0.ffn_up.weight": "Q8_0",
      "blk.0.ffn_down.weight": "F16",
    })
  })
})
