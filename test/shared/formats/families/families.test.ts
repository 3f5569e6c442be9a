// Every family's config.json as transformers 4 and transformers 5 write it, its defaults, and what is refused in each.
import { describe, expect, it } from "vitest"
import { checkModelTensors, decoderTensorShapes, InvalidModel } from "#shared/formats/families/decoder-config.ts"
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"
import {
  FAMILY_NAMES,
  type FamilyName,
  randomDecoder,
  smallConfig,
  smallFields,
} from "#test/reference/random-decoder.ts"
import { PUBLISHED, published, ropeOf, windowsOf } from "./published-configs.ts"

describe("the spellings of transformers 4 and 5 mean the same", () => {
  const pairs: [name: string, four: Record<string, unknown>, five: Record<string, unknown>][] = [
    ["Qwen3-0.6B", {}, { rope_theta: undefined, rope_parameters: { rope_type: "default", rope_theta: 1_000_000 } }],
    [
      "Llama-3.2-1B-Instruct",
      {},
      {
        rope_theta: undefined,
        rope_scaling: undefined,
        rope_parameters: { ...(PUBLISHED["Llama-3.2-1B-Instruct"]!.rope_scaling as object), rope_theta: 500_000 },
        torch_dtype: undefined,
        dtype: "bfloat16",
      },
    ],
    [
      "Mistral-7B-Instruct-v0.1",
      { rope_scaling: { type: "linear", factor: 4 } },
      { rope_theta: undefined, rope_parameters: { rope_type: "linear", factor: 4, rope_theta: 10_000 } },
    ],
    [
      "gemma-3-1b-it",
      { rope_scaling: { rope_type: "linear", factor: 8 } },
      {
        rope_theta: undefined,
        rope_local_base_freq: undefined,
        rope_scaling: undefined,
        sliding_window_pattern: undefined,
        layer_types: Array.from({ length: 26 }, (_, i) => (i % 6 === 5 ? "full_attention" : "sliding_attention")),
        rope_parameters: {
          full_attention: { rope_type: "linear", factor: 8, rope_theta: 1_000_000 },
          sliding_attention: { rope_type: "default", rope_theta: 10_000 },
        },
      },
    ],
    [
      "gemma-2-2b-it",
      {},
      {
        layer_types: Array.from({ length: 26 }, (_, i) => (i % 2 ? "full_attention" : "sliding_attention")),
        rope_parameters: { rope_type: "default", rope_theta: 10_000 },
        use_bidirectional_attention: null,
      },
    ],
  ]
  it.each(pairs)("%s", (name, four, five) => {
    expect(published(name, five)).toEqual(published(name, four))
  })

  it("dynamic rope scaling keeps the model's own maximum", () => {
    const config = published("Mistral-7B-Instruct-v0.1", { rope_scaling: { rope_type: "dynamic", factor: 2 } })
    expect(ropeOf(config).scaling).toEqual({ type: "dynamic", factor: 2, originalMaxPositions: 32_768 })
  })
})

describe("fields that a config leaves out are the family's own defaults in transformers", () => {
  const only = (architecture: string) => parseDecoderConfig({ architectures: [architecture] })

  it("tied embeddings: Gemma's yes, the others' no", () => {
    const tied = ["Llama", "Mistral", "Qwen2", "Qwen3", "Gemma2", "Gemma3"].map(
      (name) => only(`${name}ForCausalLM`).tieWordEmbeddings,
    )
    expect(tied).toEqual([false, false, false, false, true, true])
  })

  it("sizes, windows, caps and positions", () => {
    expect(only("LlamaForCausalLM")).toMatchObject({ intermediateSize: 11_008, keyValueHeadCount: 32, headSize: 128 })
    expect(only("MistralForCausalLM")).toMatchObject({ keyValueHeadCount: 8, maxPositions: 131_072 })
    expect(only("Qwen2ForCausalLM")).toMatchObject({ bosTokenId: null, eosTokenIds: [], maxPositions: 32_768 })
    expect(only("Qwen3ForCausalLM")).toMatchObject({ headSize: 128, vocabularySize: 151_936 })
    const gemma2 = only("Gemma2ForCausalLM")
    expect(gemma2).toMatchObject({ attentionSoftCap: 50, finalSoftCap: 30, headSize: 256, eosTokenIds: [1] })
    expect(windowsOf(gemma2).slice(0, 3)).toEqual([4096, undefined, 4096])
    const gemma3 = only("Gemma3ForCausalLM")
    expect(gemma3).toMatchObject({ attentionSoftCap: undefined, finalSoftCap: undefined, vocabularySize: 262_208 })
    expect(gemma3.layers[5]).toEqual({ window: undefined, rope: { theta: 1_000_000, scaling: undefined } })
    expect(gemma3.layers[6]).toEqual({ window: 4096, rope: { theta: 10_000, scaling: undefined } })
  })

  it("a model type alone names its family", () => {
    expect(parseDecoderConfig({ model_type: "gemma3_text" }).family).toBe("gemma3")
  })
})

describe("what a family cannot compute is refused by name", () => {
  const refused: [FamilyName, string, Record<string, unknown>, string | RegExp][] = [
    [
      "gemma3",
      "a cap of scores that transformers would ignore",
      { attn_logit_softcapping: 50 },
      "attn_logit_softcapping 50",
    ],
    ["llama", "yarn", { rope_scaling: { rope_type: "yarn", factor: 4 } }, 'rope type "yarn" is not supported'],
    ["llama", "longrope", { rope_scaling: { type: "longrope" } }, 'rope type "longrope"'],
    ["llama", "no rope type that is text", { rope_scaling: { rope_type: 3 } }, "rope type 3"],
    ["llama", "two rope types", { rope_scaling: { rope_type: "linear", type: "dynamic", factor: 2 } }, '"dynamic"'],
    ["llama", "rope scaling without factor", { rope_scaling: { rope_type: "linear" } }, "factor is missing"],
    [
      "llama",
      "llama3 without its low frequency factor",
      { rope_scaling: { rope_type: "llama3", factor: 8, high_freq_factor: 4, original_max_position_embeddings: 8 } },
      "low_freq_factor is missing",
    ],
    [
      "llama",
      "llama3 with no room between its factors",
      {
        rope_scaling: {
          rope_type: "llama3",
          factor: 8,
          low_freq_factor: 4,
          high_freq_factor: 4,
          original_max_position_embeddings: 8192,
        },
      },
      "high_freq_factor must be greater",
    ],
    [
      "llama",
      "a stranger in rope scaling",
      { rope_scaling: { rope_type: "linear", factor: 2, beta_fast: 32 } },
      "beta_fast",
    ],
    [
      "llama",
      "dynamic scaling with another original maximum",
      { rope_scaling: { rope_type: "dynamic", factor: 2, original_max_position_embeddings: 64 } },
      "original_max_position_embeddings 64",
    ],
    ["llama", "rope scaling that is no object", { rope_scaling: [2] }, "rope_scaling is not an object"],
    [
      "llama",
      "two spellings that differ",
      { rope_scaling: { type: "linear", factor: 2 }, rope_parameters: { rope_type: "default", rope_theta: 1e4 } },
      "keep one",
    ],
    [
      "llama",
      "two different rope_theta",
      { rope_scaling: undefined, rope_parameters: { rope_type: "default", rope_theta: 5 } },
      "keep one",
    ],
    ["mistral", "layers of both kinds", { layer_types: ["full_attention", "sliding_attention"] }, "layer_types"],
    ["mistral", "a window of no whole length", { sliding_window: 4.5 }, "sliding_window is 4.5"],
    ["qwen2", "layer_types of another length", { layer_types: ["full_attention"] }, "each of the 2 layers"],
    ["qwen2", "an unknown kind of layer", { layer_types: ["full_attention", "linear_attention"] }, "linear_attention"],
    ["qwen2", "a first sliding layer that is no number", { max_window_layers: "all" }, "max_window_layers"],
    [
      "qwen2",
      "sliding layers without use_sliding_window",
      { use_sliding_window: false, layer_types: ["full_attention", "sliding_attention"] },
      "no sliding_window",
    ],
    ["qwen2", "positions in three dimensions", { rope_scaling: { type: "mrope", mrope_section: [1, 1, 1] } }, "mrope"],
    ["qwen3", "biases", { attention_bias: true }, "attention_bias"],
    ["qwen3", "experts", { num_experts: 8 }, "num_experts"],
    ["gemma2", "another activation", { hidden_activation: "gelu" }, "hidden_activation"],
    ["gemma2", "attention in both directions", { use_bidirectional_attention: true }, "use_bidirectional_attention"],
    ["gemma2", "sliding layers without a window", { sliding_window: null }, "no sliding_window"],
    ["gemma2", "a cap of zero", { final_logit_softcapping: 0 }, "final_logit_softcapping is 0"],
    [
      "gemma3",
      "one set of rope_parameters",
      { rope_parameters: { rope_type: "default", rope_theta: 5 } },
      "full_attention",
    ],
    ["gemma3", "biases", { attention_bias: true }, "attention_bias"],
  ]
  it.each(refused)("%s: %s", (family, _what, overrides, message) => {
    expect(() => smallConfig(family, overrides)).toThrow(InvalidModel)
    expect(() => smallConfig(family, overrides)).toThrow(message)
  })

  it("Gemma 3 with images, with the way out", () => {
    for (const fields of [
      { architectures: ["Gemma3ForConditionalGeneration"], model_type: "gemma3" },
      { model_type: "gemma3" },
    ]) {
      expect(() => parseDecoderConfig(fields)).toThrow(InvalidModel)
      expect(() => parseDecoderConfig(fields)).toThrow(
        /Gemma3ForConditionalGeneration.*save its text part as Gemma3ForCausalLM/,
      )
    }
  })

  it("an architecture that is not here, with those that are", () => {
    const unknown = () => parseDecoderConfig({ architectures: ["MixtralForCausalLM"], model_type: "mixtral" })
    expect(unknown).toThrow(
      'architecture ["MixtralForCausalLM"] is not supported; use one of LlamaForCausalLM, MistralForCausalLM',
    )
  })
})

describe("the tensors of a family", () => {
  const named = (family: FamilyName) =>
    [...decoderTensorShapes(smallConfig(family, { num_hidden_layers: 1, max_window_layers: 0 }))].map(
      ([name, shape]) => `${name} ${shape.join("x")}`,
    )

  it("Qwen2 has biases of q, k and v", () => {
    expect(named("qwen2").filter((name) => name.includes("bias"))).toEqual([
      "model.layers.0.self_attn.q_proj.bias 24",
      "model.layers.0.self_attn.k_proj.bias 12",
      "model.layers.0.self_attn.v_proj.bias 12",
    ])
  })

  it("Qwen3 has norms of one head's length", () => {
    expect(named("qwen3").filter((name) => name.includes("_norm."))).toEqual([
      "model.layers.0.self_attn.q_norm.weight 6",
      "model.layers.0.self_attn.k_norm.weight 6",
    ])
  })

  it("Gemma has four norms a layer, and Gemma 3 those of q and k besides", () => {
    const norms = ["input", "post_attention", "pre_feedforward", "post_feedforward"]
    const expected = norms.map((name) => `model.layers.0.${name}_layernorm.weight 24`)
    expect(named("gemma2").filter((name) => name.includes("layernorm"))).toEqual(expected)
    expect(named("gemma3").filter((name) => name.includes("layernorm"))).toEqual(expected)
    expect(named("gemma3").filter((name) => name.includes("_norm."))).toHaveLength(2)
    expect(named("gemma2").filter((name) => name.includes("_norm."))).toHaveLength(0)
  })

  it.each(FAMILY_NAMES)("%s: a complete set passes, and each tensor is missed by name", (family) => {
    const config = smallConfig(family)
    const tensors = randomDecoder(config, 1)
    expect(() => checkModelTensors(config, tensors)).not.toThrow()
    for (const name of tensors.keys()) {
      const without = new Map([...tensors].filter(([other]) => other !== name))
      expect(() => checkModelTensors(config, without)).toThrow(`${name} is missing`)
    }
  })

  it("of another family are unknown by name", () => {
    const tensors = randomDecoder(smallConfig("gemma2", { tie_word_embeddings: false }), 1)
    expect(() => checkModelTensors(smallConfig("llama"), tensors)).toThrow(
      "model.layers.0.pre_feedforward_layernorm.weight is unknown to the llama layout",
    )
  })
})

it("every family's small config survives JSON, as a file would have it", () => {
  for (const family of FAMILY_NAMES) {
    expect(parseDecoderConfig(JSON.stringify(smallFields(family)))).toEqual(smallConfig(family))
  }
})
