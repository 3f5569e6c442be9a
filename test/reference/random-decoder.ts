// Small models of every family with seeded random weights, for tests that compare two implementations.
import { type DecoderConfig, decoderTensorShapes } from "#shared/formats/families/decoder-config.ts"
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"
import { asFloat32, type Tensor, tensorOf } from "#shared/formats/weights/safetensors.ts"
import type { DecoderWeights } from "./decoder.ts"

/** config.json fields of a model of two layers with grouped queries; override what a test is about. */
export const SMALL_LLAMA_FIELDS = {
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  hidden_act: "silu",
  hidden_size: 24,
  intermediate_size: 40,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 6,
  rms_norm_eps: 1e-5,
  rope_theta: 10_000,
  vocab_size: 53,
  max_position_embeddings: 128,
  tie_word_embeddings: false,
  bos_token_id: 1,
  eos_token_id: 2,
}

export function smallLlamaConfig(overrides: Record<string, unknown> = {}): DecoderConfig {
  return parseDecoderConfig({ ...SMALL_LLAMA_FIELDS, ...overrides })
}

/** The sizes of Llama 3 8B, for arithmetic over shapes. */
export const LLAMA_3_8B = smallLlamaConfig({
  hidden_size: 4096,
  intermediate_size: 14_336,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  head_dim: 128,
  vocab_size: 128_256,
  max_position_embeddings: 8192,
})

export type FamilyName = DecoderConfig["family"]

const GEMMA_FIELDS = {
  hidden_act: undefined,
  hidden_activation: "gelu_pytorch_tanh",
  tie_word_embeddings: true,
  query_pre_attn_scalar: 9,
  sliding_window: 4,
}

/** What each family's config.json has besides the sizes above: at least one layer with a window of few tokens where it knows windows. */
const FAMILY_FIELDS: Readonly<Record<FamilyName, Record<string, unknown>>> = {
  llama: {
    rope_scaling: {
      rope_type: "llama3",
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 32,
    },
  },
  mistral: { architectures: ["MistralForCausalLM"], model_type: "mistral", sliding_window: 5 },
  qwen2: {
    architectures: ["Qwen2ForCausalLM"],
    model_type: "qwen2",
    use_sliding_window: true,
    sliding_window: 4,
    max_window_layers: 1,
    tie_word_embeddings: true,
  },
  qwen3: { architectures: ["Qwen3ForCausalLM"], model_type: "qwen3", rope_theta: 1_000_000 },
  gemma2: {
    ...GEMMA_FIELDS,
    architectures: ["Gemma2ForCausalLM"],
    model_type: "gemma2",
    attn_logit_softcapping: 2,
    final_logit_softcapping: 3,
  },
  gemma3: {
    ...GEMMA_FIELDS,
    architectures: ["Gemma3ForCausalLM"],
    model_type: "gemma3_text",
    sliding_window_pattern: 2,
    rope_theta: undefined,
    rope_parameters: {
      full_attention: { rope_type: "linear", factor: 4, rope_theta: 1_000_000 },
      sliding_attention: { rope_type: "default", rope_theta: 10_000 },
    },
  },
}

export const FAMILY_NAMES = Object.keys(FAMILY_FIELDS) as readonly FamilyName[]

/** config.json fields of a small model of a family, with every peculiarity of the family in use. */
export function smallFields(family: FamilyName, overrides: Record<string, unknown> = {}): Record<string, unknown> {
  return { ...SMALL_LLAMA_FIELDS, ...FAMILY_FIELDS[family], ...overrides }
}

export function smallConfig(family: FamilyName, overrides: Record<string, unknown> = {}): DecoderConfig {
  return parseDecoderConfig(smallFields(family, overrides))
}

/** Uniform numbers in [0, 1) from a 32-bit seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/**
 * f32 weights: matrices uniform with deviation 1/√in × `gain`, biases within ±0.3, norms so that they multiply by about 1. Large gains
 * make sharp distributions.
 */
export function randomDecoder(config: DecoderConfig, seed: number, gain = 1): Map<string, Tensor> {
  const random = seededRandom(seed)
  const tensors = new Map<string, Tensor>()
  for (const [name, shape] of decoderTensorShapes(config)) {
    const size = shape.reduce((product, length) => product * length, 1)
    const middle = name.endsWith("norm.weight") ? 1 - config.normOffset : 0
    const reach = shape.length === 1 ? 0.3 : gain * Math.sqrt(3 / shape[1]!)
    const values = Float32Array.from({ length: size }, () => middle + reach * (2 * random() - 1))
    tensors.set(name, tensorOf(name, shape, values))
  }
  return tensors
}

/** The same weights as the oracle takes them. */
export function weightValues(tensors: ReadonlyMap<string, Tensor>): DecoderWeights {
  return new Map([...tensors].map(([name, tensor]) => [name, asFloat32(tensor)]))
}

/** Random token ids below the vocabulary's size. */
export function randomTokenIds(config: DecoderConfig, length: number, seed: number): Uint32Array {
  const random = seededRandom(seed)
  return Uint32Array.from({ length }, () => Math.floor(random() * config.vocabularySize))
}
