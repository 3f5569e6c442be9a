// Mistral: the Llama layout with one sliding window over all layers, where the config has one. Source: transformers, models/mistral.

import { sizeOrNone } from "./config-fields.ts"
import { InvalidModel } from "./decoder-config.ts"
import { type DecoderFamily, plainArithmetic, readSizes, slidingLayers } from "./family.ts"
import { ropeOptions } from "./rope-fields.ts"

const DEFAULTS = {
  vocab_size: 32_000,
  hidden_size: 4096,
  intermediate_size: 14_336,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  head_dim: undefined,
  max_position_embeddings: 131_072,
  tie_word_embeddings: false,
  bos_token_id: 1,
  eos_token_id: 2,
}

export const mistral: DecoderFamily = {
  architecture: "MistralForCausalLM",
  modelType: "mistral",
  parse: (fields) => {
    const sizes = readSizes(fields, DEFAULTS)
    const window = sizeOrNone(fields, "sliding_window", 4096)
    const isSliding = window !== undefined
    if (slidingLayers(fields, sizes.layerCount, () => isSliding).some((slides) => slides !== isSliding)) {
      throw new InvalidModel(
        "config.json: layer_types mixes full and sliding attention, which transformers' Mistral ignores; remove layer_types",
      )
    }
    const rope = ropeOptions(fields, 10_000, sizes.maxPositions)
    return {
      family: "mistral",
      ...sizes,
      ...plainArithmetic(fields, sizes.headSize),
      layers: Array.from({ length: sizes.layerCount }, () => ({ window, rope })),
    }
  },
}
