import { describe, expect, it } from "vitest"
import { checkModelTensors, decoderTensorShapes, InvalidModel } from "#shared/formats/families/decoder-config.ts"
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"
import { tensorOf } from "#shared/formats/weights/safetensors.ts"
import { randomDecoder, SMALL_LLAMA_FIELDS, smallLlamaConfig } from "#test/reference/random-decoder.ts"

describe("a Llama config.json", () => {
  it("is read into sizes and constants", () => {
    const layer = { window: undefined, rope: { theta: 10_000, scaling: undefined } }
    expect(parseDecoderConfig(JSON.stringify(SMALL_LLAMA_FIELDS))).toEqual({
      family: "llama",
      vocabularySize: 53,
      hiddenSize: 24,
      intermediateSize: 40,
      layerCount: 2,
      headCount: 4,
      keyValueHeadCount: 2,
      headSize: 6,
      rmsNormEpsilon: 1e-5,
      maxPositions: 128,
      tieWordEmbeddings: false,
      bosTokenId: 1,
      eosTokenIds: [2],
      normOffset: 0,
      activation: "silu",
      attentionBias: false,
      queryKeyNorm: false,
      postNorms: false,
      embeddingScale: 1,
      attentionScale: 1 / Math.sqrt(6),
      attentionSoftCap: undefined,
      finalSoftCap: undefined,
      layers: [layer, layer],
    })
  })

  it("has transformers' defaults where it is silent", () => {
    const silent = {
      head_dim: undefined,
      num_key_value_heads: undefined,
      rms_norm_eps: undefined,
      rope_theta: undefined,
    }
    const config = smallLlamaConfig({ ...silent, bos_token_id: null, eos_token_id: undefined })
    expect(config).toMatchObject({ headSize: 6, keyValueHeadCount: 4, rmsNormEpsilon: 1e-6 })
    expect(config.layers[0]!.rope).toEqual({ theta: 10_000, scaling: undefined })
    expect(config).toMatchObject({ bosTokenId: null, eosTokenIds: [2] })
  })

  it("takes several ends of turn", () => {
    expect(smallLlamaConfig({ eos_token_id: [2, 5] }).eosTokenIds).toEqual([2, 5])
  })

  const refused: [string, Record<string, unknown>, string][] = [
    ["another architecture", { architectures: ["PhiForCausalLM"] }, "PhiForCausalLM"],
    ["two architectures", { architectures: ["LlamaForCausalLM", "PhiForCausalLM"] }, "PhiForCausalLM"],
    ["another family's model type", { model_type: "qwen2" }, "qwen2"],
    ["no architecture at all", { architectures: undefined, model_type: undefined }, "architecture null"],
    ["attention bias", { attention_bias: true }, "attention_bias"],
    ["MLP bias", { mlp_bias: true }, "mlp_bias"],
    ["another activation", { hidden_act: "gelu" }, "hidden_act"],
    ["quantised weights", { quantization_config: { bits: 4 } }, "quantization_config"],
    ["a size of zero", { hidden_size: 0 }, "hidden_size is 0"],
    ["experts", { num_local_experts: 8 }, "num_local_experts"],
    ["a rotation of part of the head", { partial_rotary_factor: 0.5 }, "partial_rotary_factor"],
    ["a sliding window", { sliding_window: 4096 }, "sliding_window"],
    ["a fractional size", { num_hidden_layers: 1.5 }, "num_hidden_layers is 1.5"],
    [
      "heads that do not divide the width when head_dim is silent",
      { head_dim: undefined, hidden_size: 25 },
      "head_dim",
    ],
    ["query heads that are no multiple of key heads", { num_key_value_heads: 3 }, "no multiple"],
    ["an odd head size", { head_dim: 5 }, "even"],
    ["a non-positive epsilon", { rms_norm_eps: 0 }, "rms_norm_eps"],
    ["a token id outside the vocabulary", { eos_token_id: 53 }, "outside vocab_size"],
    ["a token id that is text", { bos_token_id: "<s>" }, "bos_token_id"],
  ]
  it.each(refused)("is refused by name with %s", (_name, overrides, message) => {
    expect(() => smallLlamaConfig(overrides)).toThrow(InvalidModel)
    expect(() => smallLlamaConfig(overrides)).toThrow(message)
  })

  it("is refused when it is no JSON object or repeats a key", () => {
    expect(() => parseDecoderConfig("{")).toThrow(InvalidModel)
    expect(() => parseDecoderConfig("[]")).toThrow(InvalidModel)
    expect(() => parseDecoderConfig('{"model_type":"llama","model_type":"llama"}')).toThrow("twice")
  })
})

describe("the tensors of a Llama model", () => {
  it("are named and shaped as transformers has them", () => {
    const shapes = [...decoderTensorShapes(smallLlamaConfig({ num_hidden_layers: 1 }))]
    expect(shapes.map(([name, shape]) => `${name} ${shape.join("x")}`)).toEqual([
      "model.embed_tokens.weight 53x24",
      "model.layers.0.input_layernorm.weight 24",
      "model.layers.0.self_attn.q_proj.weight 24x24",
      "model.layers.0.self_attn.k_proj.weight 12x24",
      "model.layers.0.self_attn.v_proj.weight 12x24",
      "model.layers.0.self_attn.o_proj.weight 24x24",
      "model.layers.0.mlp.gate_proj.weight 40x24",
      "model.layers.0.mlp.up_proj.weight 40x24",
      "model.layers.0.mlp.down_proj.weight 24x40",
      "model.layers.0.post_attention_layernorm.weight 24",
      "model.norm.weight 24",
      "lm_head.weight 53x24",
    ])
    expect(decoderTensorShapes(smallLlamaConfig({ tie_word_embeddings: true })).has("lm_head.weight")).toBe(false)
  })

  it("pass when all are there, with what old exports add", () => {
    const config = smallLlamaConfig({ tie_word_embeddings: true })
    const tensors = randomDecoder(config, 1)
    tensors.set("lm_head.weight", tensorOf("lm_head.weight", [53, 24], new Float32Array(53 * 24)))
    const frequencies = "model.layers.0.self_attn.rotary_emb.inv_freq"
    tensors.set(frequencies, tensorOf(frequencies, [3], new Float32Array(3)))
    expect(() => checkModelTensors(config, tensors)).not.toThrow()
  })

  it("are refused with every fault named at once", () => {
    const config = smallLlamaConfig()
    const tensors = randomDecoder(config, 1)
    tensors.delete("model.norm.weight")
    tensors.set("lm_head.weight", tensorOf("lm_head.weight", [24, 53], new Float32Array(53 * 24)))
    const gate = "model.layers.1.mlp.gate_proj.weight"
    tensors.set(gate, tensorOf(gate, [40, 24], new Int32Array(40 * 24)))
    const bias = "model.layers.0.self_attn.q_proj.bias"
    tensors.set(bias, tensorOf(bias, [24], new Float32Array(24)))
    expect(() => checkModelTensors(config, tensors)).toThrow(InvalidModel)
    expect(() => checkModelTensors(config, tensors)).toThrow(
      `the weights do not fit config.json: ${gate} is I32, expected F32, F16 or BF16; model.norm.weight is missing; ` +
        `lm_head.weight has shape [24,53], expected [53,24]; ${bias} is unknown to the llama layout`,
    )
  })
})
