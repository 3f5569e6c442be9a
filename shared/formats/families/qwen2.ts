// Qwen2 and Qwen2.5: the Llama layout with a bias on q, k and v; later layers may slide. Source: transformers, models/qwen2.

import { count, type Fields, flag, sizeOrNone } from "./config-fields.ts"
import type { DecoderConfig } from "./decoder-config.ts"
import { type DecoderFamily, plainArithmetic, readSizes, slidingLayers, windows } from "./family.ts"
import { ropeOptions } from "./rope-fields.ts"

/** Also Qwen3's, but for the head size. */
export const QWEN_DEFAULTS = {
  vocab_size: 151_936,
  hidden_size: 4096,
  intermediate_size: 22_016,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: 32,
  head_dim: undefined,
  max_position_embeddings: 32_768,
  tie_word_embeddings: false,
  bos_token_id: null,
  eos_token_id: null,
}

export const qwen2: DecoderFamily = {
  architecture: "Qwen2ForCausalLM",
  modelType: "qwen2",
  parse: (fields) => {
    // Its biases are part of the layout: transformers has no switch for them, and ignores one.
    const sizes = readSizes({ ...fields, attention_bias: undefined }, QWEN_DEFAULTS)
    return {
      family: "qwen2",
      ...sizes,
      ...plainArithmetic(fields, sizes.headSize),
      attentionBias: true,
      layers: qwenLayers(fields, sizes),
    }
  },
}

/** Layers from `max_window_layers` on slide if `use_sliding_window` says so; `layer_types` goes before. Also Qwen3's. */
export function qwenLayers(
  fields: Fields,
  { layerCount, maxPositions }: Pick<DecoderConfig, "layerCount" | "maxPositions">,
): DecoderConfig["layers"] {
  const window = flag(fields, "use_sliding_window", false) ? sizeOrNone(fields, "sliding_window", 4096) : undefined
  const firstSliding = count(fields, "max_window_layers", 28)
  const sliding = slidingLayers(fields, layerCount, (layer) => window !== undefined && layer >= firstSliding)
  const rope = ropeOptions(fields, 10_000, maxPositions)
  return windows(sliding, window).map((ofLayer) => ({ window: ofLayer, rope }))
}
