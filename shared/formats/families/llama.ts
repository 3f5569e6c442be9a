// Llama 2, 3, 3.1, 3.2, and what has their layout: TinyLlama, SmolLM2. Source: transformers, models/llama.
import { requireOnly } from "./config-fields.ts"
import { type DecoderFamily, plainArithmetic, readSizes } from "./family.ts"
import { ropeOptions } from "./rope-fields.ts"

const DEFAULTS = {
  vocab_size: 32_000,
  hidden_size: 4096,
  intermediate_size: 11_008,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: undefined,
  head_dim: undefined,
  max_position_embeddings: 2048,
  tie_word_embeddings: false,
  bos_token_id: 1,
  eos_token_id: 2,
}

export const llama: DecoderFamily = {
  architecture: "LlamaForCausalLM",
  modelType: "llama",
  parse: (fields) => {
    requireOnly(fields, { sliding_window: null })
    const sizes = readSizes(fields, DEFAULTS)
    const rope = ropeOptions(fields, 10_000, sizes.maxPositions)
    return {
      family: "llama",
      ...sizes,
      ...plainArithmetic(fields, sizes.headSize),
      layers: Array.from({ length: sizes.layerCount }, () => ({ window: undefined, rope })),
    }
  },
}
