// What the families share: how a family is found, the sizes every config.json has, and the options that no family here computes.
// Defaults are those of the family's own configuration class in transformers: a saved config may leave them out.

import { type Fields, flag, positive, requireOnly, size, tokenIds } from "./config-fields.ts"
import { type DecoderConfig, InvalidModel } from "./decoder-config.ts"

export interface DecoderFamily {
  /** `architectures` of its causal language model. */
  readonly architecture: string
  readonly modelType: string
  /** Throws InvalidModel. */
  readonly parse: (fields: Fields) => DecoderConfig
}

/** Defaults of the fields that stand in every config.json, under their names there. */
export interface SizeDefaults {
  readonly vocab_size: number
  readonly hidden_size: number
  readonly intermediate_size: number
  readonly num_hidden_layers: number
  readonly num_attention_heads: number
  /** undefined: as many as query heads */
  readonly num_key_value_heads: number | undefined
  /** undefined: hidden_size / num_attention_heads */
  readonly head_dim: number | undefined
  readonly max_position_embeddings: number
  readonly tie_word_embeddings: boolean
  readonly bos_token_id: number | null
  readonly eos_token_id: number | null
}

type Sizes = Pick<
  DecoderConfig,
  | "vocabularySize"
  | "hiddenSize"
  | "intermediateSize"
  | "layerCount"
  | "headCount"
  | "keyValueHeadCount"
  | "headSize"
  | "rmsNormEpsilon"
  | "maxPositions"
  | "tieWordEmbeddings"
  | "bosTokenId"
  | "eosTokenIds"
>

/**
 * Options that change the arithmetic in a way that no family here implements, with the value that leaves it alone. `pretraining_tp` is
 * none of them: it cuts a product into slices whose sum is that product, and transformers 5 does not read it.
 */
const NEUTRAL_OPTIONS = {
  attention_bias: false,
  mlp_bias: false,
  quantization_config: null,
  partial_rotary_factor: 1,
  rope_interleaved: false,
  use_bidirectional_attention: false,
  num_experts: 0,
  num_local_experts: 0,
  n_routed_experts: 0,
}

/** Reads the common sizes, and refuses the options that no family implements. Throws InvalidModel. */
export function readSizes(fields: Fields, defaults: SizeDefaults): Sizes {
  requireOnly(fields, NEUTRAL_OPTIONS)
  const of = (name: "vocab_size" | "hidden_size" | "intermediate_size" | "num_hidden_layers" | "num_attention_heads") =>
    size(fields, name, defaults[name])
  const hiddenSize = of("hidden_size")
  const headCount = of("num_attention_heads")
  const orDerived = (name: "num_key_value_heads" | "head_dim", derived: number) =>
    size(fields, name, (fields[name] === undefined ? defaults[name] : undefined) ?? derived)
  return {
    vocabularySize: of("vocab_size"),
    hiddenSize,
    intermediateSize: of("intermediate_size"),
    layerCount: of("num_hidden_layers"),
    headCount,
    keyValueHeadCount: orDerived("num_key_value_heads", headCount),
    headSize: orDerived("head_dim", hiddenSize / headCount),
    rmsNormEpsilon: positive(fields, "rms_norm_eps", 1e-6),
    maxPositions: size(fields, "max_position_embeddings", defaults.max_position_embeddings),
    tieWordEmbeddings: flag(fields, "tie_word_embeddings", defaults.tie_word_embeddings),
    bosTokenId: tokenIds(fields, "bos_token_id", defaults.bos_token_id)[0] ?? null,
    eosTokenIds: tokenIds(fields, "eos_token_id", defaults.eos_token_id),
  }
}

/** What the Llama-like families (all but Gemma) have in common. Throws InvalidModel. */
export function plainArithmetic(fields: Fields, headSize: number) {
  requireOnly(fields, { hidden_act: "silu" })
  return {
    normOffset: 0,
    activation: "silu",
    attentionBias: false,
    queryKeyNorm: false,
    postNorms: false,
    embeddingScale: 1,
    attentionScale: 1 / Math.sqrt(headSize),
    attentionSoftCap: undefined,
    finalSoftCap: undefined,
  } as const
}

/** Which layers slide: `layer_types` where it is given, else the family's own rule. Throws InvalidModel. */
export function slidingLayers(fields: Fields, layerCount: number, isSliding: (layer: number) => boolean): boolean[] {
  const types = fields.layer_types ?? undefined
  if (types === undefined) return Array.from({ length: layerCount }, (_, layer) => isSliding(layer))
  if (!Array.isArray(types) || types.length !== layerCount) {
    throw new InvalidModel(`config.json: layer_types must name each of the ${layerCount} layers; correct it`)
  }
  return types.map((type: unknown) => {
    if (type === "sliding_attention") return true
    if (type === "full_attention") return false
    throw new InvalidModel(
      `config.json: layer_types has ${JSON.stringify(type)}, only "full_attention" and "sliding_attention" are supported; use another model`,
    )
  })
}

/** The window of every layer; a sliding layer without one is an InvalidModel. */
export function windows(sliding: readonly boolean[], window: number | undefined): (number | undefined)[] {
  if (window === undefined && sliding.includes(true)) {
    throw new InvalidModel("config.json: layers slide, but there is no sliding_window; give its length in tokens")
  }
  return sliding.map((isSliding) => (isSliding ? window : undefined))
}
