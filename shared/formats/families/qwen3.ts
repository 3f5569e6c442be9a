// Qwen3: the Llama layout with a norm on each head of q and k, and a head size of its own. Source: transformers, models/qwen3.
import { type DecoderFamily, plainArithmetic, readSizes } from "./family.ts"
import { qwenLayers } from "./qwen2.ts"

const DEFAULTS = {
  vocab_size: 151_936,
  hidden_size: 4096,
  intermediate_size: 22_016,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: 32,
  head_dim: 128,
  max_position_embeddings: 32_768,
  tie_word_embeddings: false,
  bos_token_id: null,
  eos_token_id: null,
}

export const qwen3: DecoderFamily = {
  architecture: "Qwen3ForCausalLM",
  modelType: "qwen3",
  parse: (fields) => {
    const sizes = readSizes(fields, DEFAULTS)
    return {
      family: "qwen3",
      ...sizes,
      ...plainArithmetic(fields, sizes.headSize),
      queryKeyNorm: true,
      layers: qwenLayers(fields, sizes),
    }
  },
}
