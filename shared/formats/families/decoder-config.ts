// One description of a decoder, whatever its family, and the tensors that such a model must have. What a config.json says is read by
// parse-decoder-config.ts.
import type { Tensor } from "../weights/tensor.ts"

/** The model folder cannot be used; the message names the option or tensor and the mend. */
export class InvalidModel extends Error {
  readonly _tag = "InvalidModel"
}

/** How rotary frequencies are changed, named as in config.json's `rope_type`. */
export type RopeScaling =
  | { readonly type: "linear"; readonly factor: number }
  | {
      readonly type: "llama3"
      readonly factor: number
      readonly lowFrequencyFactor: number
      readonly highFrequencyFactor: number
      readonly originalMaxPositions: number
    }
  /** Leaves positions below originalMaxPositions alone; longer sequences are not supported. */
  | { readonly type: "dynamic"; readonly factor: number; readonly originalMaxPositions: number }

export interface RopeOptions {
  readonly theta: number
  readonly scaling: RopeScaling | undefined
}

/** Sizes and constants of a decoder: one description for all families, which only fill it. */
export interface DecoderConfig {
  readonly family: "llama" | "mistral" | "qwen2" | "qwen3" | "gemma2" | "gemma3"
  readonly vocabularySize: number
  readonly hiddenSize: number
  readonly intermediateSize: number
  readonly layerCount: number
  readonly headCount: number
  readonly keyValueHeadCount: number
  readonly headSize: number
  readonly rmsNormEpsilon: number
  readonly maxPositions: number
  readonly tieWordEmbeddings: boolean
  readonly bosTokenId: number | null
  /** one or several turn terminators; empty when the config names none */
  readonly eosTokenIds: readonly number[]
  /** Norms multiply by normOffset + weight: 1 in Gemma. */
  readonly normOffset: 0 | 1
  /** Of the gate: SiLU, or GELU in its tanh form. */
  readonly activation: "silu" | "gelu_tanh"
  /** q, k and v have a bias vector; no other module ever has one. */
  readonly attentionBias: boolean
  /** Each head of q and k is normed before it is rotated. */
  readonly queryKeyNorm: boolean
  /** One more norm after attention and one after the MLP, each before the residual addition. */
  readonly postNorms: boolean
  /** Multiplies embeddings: √hiddenSize in Gemma. */
  readonly embeddingScale: number
  /** Multiplies attention scores. */
  readonly attentionScale: number
  /** score = cap · tanh(score / cap), before the mask. */
  readonly attentionSoftCap: number | undefined
  /** The same of logits, before the softmax. */
  readonly finalSoftCap: number | undefined
  /** One a layer. `window` in positions: the query at p sees keys at positions > p − window; undefined sees all. */
  readonly layers: readonly { readonly window: number | undefined; readonly rope: RopeOptions }[]
}

/** Name of a layer's tensor prefix: "model.layers.3". */
export function layerPath(layer: number): string {
  return `model.layers.${layer}`
}

/** The seven linear modules of a layer, with their path inside it and [out, in]. */
export function decoderLinearShapes(config: DecoderConfig): Map<string, readonly [outSize: number, inSize: number]> {
  const { hiddenSize, intermediateSize } = config
  const queryRows = config.headCount * config.headSize
  const keyValueRows = config.keyValueHeadCount * config.headSize
  return new Map([
    ["self_attn.q_proj", [queryRows, hiddenSize]],
    ["self_attn.k_proj", [keyValueRows, hiddenSize]],
    ["self_attn.v_proj", [keyValueRows, hiddenSize]],
    ["self_attn.o_proj", [hiddenSize, queryRows]],
    ["mlp.gate_proj", [intermediateSize, hiddenSize]],
    ["mlp.up_proj", [intermediateSize, hiddenSize]],
    ["mlp.down_proj", [hiddenSize, intermediateSize]],
  ])
}

const BIASED: readonly string[] = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]

/**
 * Names and shapes of every weight, in layer order; linear weights are [out, in]. `lm_head.weight` only when untied.
 * `post_attention_layernorm` means two things: with `postNorms` it norms attention's result, without it the MLP's input.
 */
export function decoderTensorShapes(config: DecoderConfig): Map<string, readonly number[]> {
  const { hiddenSize, headSize } = config
  const shapes = new Map<string, readonly number[]>()
  shapes.set("model.embed_tokens.weight", [config.vocabularySize, hiddenSize])
  const linear = decoderLinearShapes(config)
  for (let layer = 0; layer < config.layerCount; layer++) {
    const set = (name: string, shape: readonly number[]) => shapes.set(`${layerPath(layer)}.${name}`, shape)
    set("input_layernorm.weight", [hiddenSize])
    for (const [path, shape] of linear) {
      set(`${path}.weight`, shape)
      if (config.attentionBias && BIASED.includes(path)) set(`${path}.bias`, [shape[0]])
    }
    if (config.queryKeyNorm) {
      set("self_attn.q_norm.weight", [headSize])
      set("self_attn.k_norm.weight", [headSize])
    }
    set("post_attention_layernorm.weight", [hiddenSize])
    if (config.postNorms) {
      set("pre_feedforward_layernorm.weight", [hiddenSize])
      set("post_feedforward_layernorm.weight", [hiddenSize])
    }
  }
  shapes.set("model.norm.weight", [hiddenSize])
  if (!config.tieWordEmbeddings) shapes.set("lm_head.weight", [config.vocabularySize, hiddenSize])
  return shapes
}

const WEIGHT_DTYPES: readonly string[] = ["F32", "F16", "BF16"]
// Old exports store the rotary frequencies, and some tied models their head again: neither is read.
const IGNORED_TENSOR = /^(model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq|lm_head\.weight)$/

/** Checks names, shapes and dtypes (F32, F16, BF16) of a decoder's weights, and of `others` beside them. Throws InvalidModel naming every missing, misshaped or unknown tensor. */
export function checkModelTensors(
  config: DecoderConfig,
  tensors: ReadonlyMap<string, Pick<Tensor, "dtype" | "shape">>,
  others: ReadonlyMap<string, readonly number[]> = new Map(),
): void {
  const expected = new Map([...decoderTensorShapes(config), ...others])
  const faults: string[] = []
  for (const [name, shape] of expected) {
    const tensor = tensors.get(name)
    if (tensor === undefined) faults.push(`${name} is missing`)
    else if (tensor.shape.join() !== shape.join()) {
      faults.push(`${name} has shape [${tensor.shape}], expected [${shape}]`)
    } else if (!WEIGHT_DTYPES.includes(tensor.dtype)) {
      faults.push(`${name} is ${tensor.dtype}, expected F32, F16 or BF16`)
    }
  }
  for (const name of tensors.keys()) {
    if (!expected.has(name) && !IGNORED_TENSOR.test(name)) {
      faults.push(`${name} is unknown to the ${config.family} layout`)
    }
  }
  if (faults.length === 0) return
  const shown = faults.slice(0, 8).join("; ")
  const more = faults.length > 8 ? `; and ${faults.length - 8} more` : ""
  throw new InvalidModel(`the weights do not fit config.json: ${shown}${more}; give the model's own files`)
}
