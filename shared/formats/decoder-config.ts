// A Hugging Face config.json of the Llama layout, and the tensors that such a model must have.
// Options that change the arithmetic and are not implemented are refused by name.
import { findDuplicateKey } from "./strict-json.ts"
import type { Tensor } from "./tensor.ts"

/** Sizes and constants of a Llama decoder. */
export interface DecoderConfig {
  readonly vocabularySize: number
  readonly hiddenSize: number
  readonly intermediateSize: number
  readonly layerCount: number
  readonly headCount: number
  readonly keyValueHeadCount: number
  readonly headSize: number
  readonly rmsNormEpsilon: number
  readonly ropeTheta: number
  readonly maxPositions: number
  readonly tieWordEmbeddings: boolean
  readonly bosTokenId: number | null
  /** one or several turn terminators; empty when the config names none */
  readonly eosTokenIds: readonly number[]
}

/** The model folder cannot be used; the message names the option or tensor and the mend. */
export class InvalidModel extends Error {
  readonly _tag = "InvalidModel"
}

type Fields = Record<string, unknown>

/**
 * Parses config.json (text or parsed value). Defaults are those of transformers' DecoderConfig; `rope_theta` may stand at
 * the top (transformers 4) or inside `rope_parameters` (transformers 5). Throws InvalidModel.
 */
export function parseDecoderConfig(configJson: unknown): DecoderConfig {
  const fields = configFields(configJson)
  refuseUnsupported(fields)
  const hiddenSize = size(fields, "hidden_size")
  const headCount = size(fields, "num_attention_heads")
  const keyValueHeadCount = size(fields, "num_key_value_heads", headCount)
  const headSize = size(fields, "head_dim", hiddenSize / headCount)
  const config: DecoderConfig = {
    vocabularySize: size(fields, "vocab_size"),
    hiddenSize,
    intermediateSize: size(fields, "intermediate_size"),
    layerCount: size(fields, "num_hidden_layers"),
    headCount,
    keyValueHeadCount,
    headSize,
    rmsNormEpsilon: positive(fields, "rms_norm_eps", 1e-6),
    ropeTheta: ropeTheta(fields),
    maxPositions: size(fields, "max_position_embeddings", 2048),
    tieWordEmbeddings: flag(fields, "tie_word_embeddings"),
    bosTokenId: tokenIds(fields, "bos_token_id")[0] ?? null,
    eosTokenIds: tokenIds(fields, "eos_token_id"),
  }
  if (headCount % keyValueHeadCount !== 0) {
    throw new InvalidModel(
      `config.json: num_attention_heads ${headCount} is no multiple of num_key_value_heads ${keyValueHeadCount}; correct one of them`,
    )
  }
  if (headSize % 2 !== 0) {
    throw new InvalidModel(`config.json: head_dim ${headSize} is odd; rotary positions need an even head size`)
  }
  for (const id of [config.bosTokenId ?? 0, ...config.eosTokenIds]) {
    if (id >= config.vocabularySize) {
      throw new InvalidModel(`config.json: token id ${id} is outside vocab_size ${config.vocabularySize}; correct it`)
    }
  }
  return config
}

function configFields(configJson: unknown): Fields {
  let value = configJson
  if (typeof configJson === "string") {
    try {
      value = JSON.parse(configJson)
    } catch {
      throw new InvalidModel("config.json is not JSON; fetch the model folder again")
    }
    const duplicate = findDuplicateKey(configJson)
    if (duplicate !== undefined) throw new InvalidModel(`config.json holds "${duplicate}" twice; remove one`)
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InvalidModel("config.json is not a JSON object; give the config.json of a Hugging Face model folder")
  }
  return value as Fields
}

function refuseUnsupported(fields: Fields): void {
  const architectures = fields.architectures
  const isLlama =
    architectures === undefined || architectures === null
      ? fields.model_type === "llama"
      : Array.isArray(architectures) && architectures.length === 1 && architectures[0] === "LlamaForCausalLM"
  if (!isLlama) {
    const found = JSON.stringify(architectures ?? fields.model_type ?? null)
    throw new InvalidModel(`config.json: architecture ${found} is not supported; use a LlamaForCausalLM model`)
  }
  if (fields.model_type !== undefined && fields.model_type !== "llama") {
    throw new InvalidModel(`config.json: model_type ${JSON.stringify(fields.model_type)} is not supported; use "llama"`)
  }
  const fixed: readonly (readonly [string, unknown])[] = [
    ["hidden_act", "silu"],
    ["attention_bias", false],
    ["mlp_bias", false],
    ["rope_scaling", null],
    ["sliding_window", null],
    ["quantization_config", null],
    ["pretraining_tp", 1],
    ["partial_rotary_factor", 1],
  ]
  for (const [name, only] of fixed) {
    const value = fields[name]
    if (value !== undefined && value !== null && value !== only) {
      throw new InvalidModel(
        `config.json: ${name} ${JSON.stringify(value)} is not supported, only ${JSON.stringify(only)}; use a model without it`,
      )
    }
  }
}

/** transformers 5 writes {"rope_parameters": {"rope_theta", "rope_type": "default"}}; a plain rope_scaling has changed positions and is refused. */
function ropeTheta(fields: Fields): number {
  const parameters = fields.rope_parameters
  if (parameters === undefined || parameters === null) return positive(fields, "rope_theta", 10_000)
  if (typeof parameters !== "object" || Array.isArray(parameters)) {
    throw new InvalidModel("config.json: rope_parameters is not an object; write it as transformers does")
  }
  const { rope_theta: _theta, rope_type: ropeType, ...rest } = parameters as Fields
  const unsupported = Object.keys(rest).find((name) => !(name === "partial_rotary_factor" && rest[name] === 1))
  if (unsupported !== undefined || (ropeType !== undefined && ropeType !== "default")) {
    const found = unsupported ?? `rope_type ${JSON.stringify(ropeType)}`
    throw new InvalidModel(
      `config.json: rope_parameters with ${found} is not supported; use a model with default rotary positions`,
    )
  }
  const nested = positive(parameters as Fields, "rope_theta", positive(fields, "rope_theta", 10_000))
  if (typeof fields.rope_theta === "number" && fields.rope_theta !== nested) {
    throw new InvalidModel(`config.json: rope_theta is ${fields.rope_theta} and ${nested} in rope_parameters; keep one`)
  }
  return nested
}

function size(fields: Fields, name: string, fallback?: number): number {
  const value = fields[name] ?? fallback
  if (Number.isSafeInteger(value) && (value as number) > 0) return value as number
  throw new InvalidModel(`config.json: ${name} is ${JSON.stringify(value) ?? "missing"}; it must be a positive integer`)
}

function positive(fields: Fields, name: string, fallback: number): number {
  const value = fields[name] ?? fallback
  if (typeof value === "number" && Number.isFinite(value) && value > 0) return value
  throw new InvalidModel(`config.json: ${name} is ${JSON.stringify(value)}; it must be a positive number`)
}

function flag(fields: Fields, name: string): boolean {
  const value = fields[name] ?? false
  if (typeof value === "boolean") return value
  throw new InvalidModel(`config.json: ${name} is ${JSON.stringify(value)}; it must be true or false`)
}

function tokenIds(fields: Fields, name: string): number[] {
  const value = fields[name]
  if (value === undefined || value === null) return []
  const ids: unknown[] = Array.isArray(value) ? value : [value]
  if (ids.every((id) => Number.isSafeInteger(id) && (id as number) >= 0)) return ids as number[]
  throw new InvalidModel(`config.json: ${name} is ${JSON.stringify(value)}; it must be a token id or a list of them`)
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

/** Names and shapes of every weight, in layer order; linear weights are [out, in]. `lm_head.weight` only when untied. */
export function decoderTensorShapes(config: DecoderConfig): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>()
  shapes.set("model.embed_tokens.weight", [config.vocabularySize, config.hiddenSize])
  const linear = decoderLinearShapes(config)
  for (let layer = 0; layer < config.layerCount; layer++) {
    shapes.set(`${layerPath(layer)}.input_layernorm.weight`, [config.hiddenSize])
    for (const [path, shape] of linear) shapes.set(`${layerPath(layer)}.${path}.weight`, shape)
    shapes.set(`${layerPath(layer)}.post_attention_layernorm.weight`, [config.hiddenSize])
  }
  shapes.set("model.norm.weight", [config.hiddenSize])
  if (!config.tieWordEmbeddings) shapes.set("lm_head.weight", [config.vocabularySize, config.hiddenSize])
  return shapes
}

const WEIGHT_DTYPES: readonly string[] = ["F32", "F16", "BF16"]
// Old exports store the rotary frequencies, and some tied models their head again: neither is read.
const IGNORED_TENSOR = /^(model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq|lm_head\.weight)$/

/** Checks names, shapes and dtypes (F32, F16, BF16). Throws InvalidModel naming every missing, misshaped or unknown tensor. */
export function checkModelTensors(
  config: DecoderConfig,
  tensors: ReadonlyMap<string, Pick<Tensor, "dtype" | "shape">>,
): void {
  const expected = decoderTensorShapes(config)
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
    if (!expected.has(name) && !IGNORED_TENSOR.test(name)) faults.push(`${name} is unknown to the Llama layout`)
  }
  if (faults.length === 0) return
  const shown = faults.slice(0, 8).join("; ")
  const more = faults.length > 8 ? `; and ${faults.length - 8} more` : ""
  throw new InvalidModel(`the weights do not fit config.json: ${shown}${more}; give the model's own files`)
}
