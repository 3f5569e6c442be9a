// Gemma 3, text: Gemma 2's block with a norm on each head of q and k, no soft cap of scores, one of logits only if the config has it,
// five sliding layers to a full one, and rotary positions of their own for sliding layers. Source: transformers, models/gemma3.
// transformers documents attn_logit_softcapping for Gemma 3 and never applies it, so a config that sets it is refused.

import { type Fields, objectOrNone, positive, requireOnly, size, sizeOrNone } from "./config-fields.ts"
import { InvalidModel, type RopeOptions } from "./decoder-config.ts"
import { type DecoderFamily, readSizes, slidingLayers, windows } from "./family.ts"
import { GEMMA_DEFAULTS, gemmaArithmetic } from "./gemma2.ts"
import { ropeFrom, ropeOptions } from "./rope-fields.ts"

const DEFAULTS = { ...GEMMA_DEFAULTS, vocab_size: 262_208, max_position_embeddings: 131_072 }
const FULL_THETA = 1_000_000
const SLIDING_THETA = 10_000

export const gemma3: DecoderFamily = {
  architecture: "Gemma3ForCausalLM",
  modelType: "gemma3_text",
  parse: (fields) => {
    requireOnly(fields, { attn_logit_softcapping: null })
    const sizes = readSizes(fields, DEFAULTS)
    const rope = ropeOfLayerTypes(fields, sizes.maxPositions)
    // transformers 5 keeps the old field's value under a private name.
    const pattern = size(fields, "sliding_window_pattern", size(fields, "_sliding_window_pattern", 6))
    const sliding = slidingLayers(fields, sizes.layerCount, (layer) => (layer + 1) % pattern !== 0)
    return {
      family: "gemma3",
      ...sizes,
      ...gemmaArithmetic(fields, sizes.hiddenSize, { attentionSoftCap: undefined, finalSoftCap: undefined }),
      queryKeyNorm: true,
      layers: windows(sliding, sizeOrNone(fields, "sliding_window", 4096)).map((window, layer) => ({
        window,
        rope: sliding[layer] ? rope.sliding : rope.full,
      })),
    }
  },
}

/** transformers 4: rope_theta and rope_scaling are the full layers', rope_local_base_freq the sliding ones'; 5: one set for each type. */
function ropeOfLayerTypes(fields: Fields, maxPositions: number): { full: RopeOptions; sliding: RopeOptions } {
  const sets = objectOrNone(fields, "rope_parameters")
  const slidingTheta = positive(fields, "rope_local_base_freq", SLIDING_THETA)
  if (!sets) {
    return {
      full: ropeOptions(fields, FULL_THETA, maxPositions),
      sliding: { theta: slidingTheta, scaling: undefined },
    }
  }
  const stranger = Object.keys(sets).find((name) => name !== "full_attention" && name !== "sliding_attention")
  if (stranger !== undefined || objectOrNone(fields, "rope_scaling")) {
    throw new InvalidModel(
      `config.json: Gemma 3 takes rope_parameters with "full_attention" and "sliding_attention", and no ${stranger ?? "rope_scaling"} beside them; write one set for each`,
    )
  }
  const ofType = (name: "full_attention" | "sliding_attention", theta: number) =>
    ropeFrom(objectOrNone(sets, name) ?? {}, theta, maxPositions)
  return {
    full: ofType("full_attention", positive(fields, "rope_theta", FULL_THETA)),
    sliding: ofType("sliding_attention", slidingTheta),
  }
}
