// Gemma 2: (1 + w) norms before and after attention and MLP, scaled embeddings, GeGLU, soft caps on scores and logits, and a
// sliding window on every other layer, the first included. Source: transformers, models/gemma2.

import { type Fields, positive, positiveOrNone, requireOnly, sizeOrNone } from "./config-fields.ts"
import type { DecoderConfig } from "./decoder-config.ts"
import { type DecoderFamily, readSizes, slidingLayers, windows } from "./family.ts"
import { ropeOptions } from "./rope-fields.ts"

/** Also Gemma 3's, but for the vocabulary and the positions. */
export const GEMMA_DEFAULTS = {
  vocab_size: 256_000,
  hidden_size: 2304,
  intermediate_size: 9216,
  num_hidden_layers: 26,
  num_attention_heads: 8,
  num_key_value_heads: 4,
  head_dim: 256,
  max_position_embeddings: 8192,
  tie_word_embeddings: true,
  bos_token_id: 2,
  eos_token_id: 1,
}

export const gemma2: DecoderFamily = {
  architecture: "Gemma2ForCausalLM",
  modelType: "gemma2",
  parse: (fields) => {
    const sizes = readSizes(fields, GEMMA_DEFAULTS)
    const sliding = slidingLayers(fields, sizes.layerCount, (layer) => layer % 2 === 0)
    const rope = ropeOptions(fields, 10_000, sizes.maxPositions)
    return {
      family: "gemma2",
      ...sizes,
      ...gemmaArithmetic(fields, sizes.hiddenSize, { attentionSoftCap: 50, finalSoftCap: 30 }),
      queryKeyNorm: false,
      layers: windows(sliding, sizeOrNone(fields, "sliding_window", 4096)).map((window) => ({ window, rope })),
    }
  },
}

/**
 * What Gemma 2 and 3 have in common. transformers rounds √hidden_size to the weights' dtype before it scales embeddings; here it
 * is exact, as transformers has it with f32 weights.
 */
export function gemmaArithmetic(
  fields: Fields,
  hiddenSize: number,
  softCaps: Pick<DecoderConfig, "attentionSoftCap" | "finalSoftCap">,
) {
  requireOnly(fields, { hidden_activation: "gelu_pytorch_tanh" })
  return {
    normOffset: 1,
    activation: "gelu_tanh",
    attentionBias: false,
    postNorms: true,
    embeddingScale: Math.sqrt(hiddenSize),
    attentionScale: 1 / Math.sqrt(positive(fields, "query_pre_attn_scalar", 256)),
    attentionSoftCap: positiveOrNone(fields, "attn_logit_softcapping", softCaps.attentionSoftCap),
    finalSoftCap: positiveOrNone(fields, "final_logit_softcapping", softCaps.finalSoftCap),
  } as const
}
