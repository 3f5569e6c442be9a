// The models that benchmarks run: sizes of published Llamas, and the small one that other engines were measured with. Weights are random.
import type { DecoderConfig } from "#shared/formats/families/decoder-config.ts"
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"

/** Sizes that may be set one by one. */
export interface LayoutSizes {
  readonly hidden: number
  readonly layers: number
  readonly heads: number
  readonly keyValueHeads: number
  readonly headSize: number
  readonly intermediate: number
  readonly vocabulary: number
  readonly tied: boolean
}

export const LAYOUTS = {
  /** 4.46 M parameters. */
  anchor: {
    hidden: 256,
    layers: 4,
    heads: 4,
    keyValueHeads: 4,
    headSize: 64,
    intermediate: 768,
    vocabulary: 4096,
    tied: true,
  },
  "smollm2-135m": {
    hidden: 576,
    layers: 30,
    heads: 9,
    keyValueHeads: 3,
    headSize: 64,
    intermediate: 1536,
    vocabulary: 49_152,
    tied: true,
  },
  "llama-3.2-1b": {
    hidden: 2048,
    layers: 16,
    heads: 32,
    keyValueHeads: 8,
    headSize: 64,
    intermediate: 8192,
    vocabulary: 128_256,
    tied: true,
  },
  "llama-3-8b": {
    hidden: 4096,
    layers: 32,
    heads: 32,
    keyValueHeads: 8,
    headSize: 128,
    intermediate: 14_336,
    vocabulary: 128_256,
    tied: false,
  },
} as const satisfies Readonly<Record<string, LayoutSizes>>

export type LayoutName = keyof typeof LAYOUTS

/** A Llama of these sizes. Errors: InvalidModel for sizes that do not belong together. */
export function layoutConfig(sizes: LayoutSizes, maxPositions: number): DecoderConfig {
  return parseDecoderConfig({
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    hidden_act: "silu",
    hidden_size: sizes.hidden,
    intermediate_size: sizes.intermediate,
    num_hidden_layers: sizes.layers,
    num_attention_heads: sizes.heads,
    num_key_value_heads: sizes.keyValueHeads,
    head_dim: sizes.headSize,
    rms_norm_eps: 1e-5,
    rope_theta: 500_000,
    vocab_size: sizes.vocabulary,
    max_position_embeddings: maxPositions,
    tie_word_embeddings: sizes.tied,
    bos_token_id: 0,
    eos_token_id: 1,
  })
}
