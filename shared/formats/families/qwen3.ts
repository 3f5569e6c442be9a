// Qwen3: the Llama layout with a norm on each head of q and k, and a head size of its own. Source: transformers, models/qwen3.
import { type DecoderFamily, plainArithmetic, readSizes } from "./family.ts"
import { QWEN_DEFAULTS, qwenLayers } from "./qwen2.ts"

const DEFAULTS = { ...QWEN_DEFAULTS, head_dim: 128 }

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
