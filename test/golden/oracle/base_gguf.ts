// A golden model as a GGUF file, so that llama.cpp can run it: what convert_hf_to_gguf.py would write, without a tokenizer
// worth the name. Only for holding adapters against llama.cpp; the product exports no whole models as GGUF.
import { readModelWeights } from "#gpu-runner/data/model/model-weights.ts"
import { type DecoderConfig, decoderTensorShapes } from "#shared/formats/families/decoder-config.ts"
import { type GgufTensor, type GgufValue, writeGguf } from "#shared/formats/gguf/container.ts"
import { ggufArchitecture, ggufName, interleaveHalves } from "#shared/formats/gguf/adapter.ts"
import { asFloat32 } from "#shared/formats/weights/safetensors.ts"

/** llama.cpp's sentencepiece vocabulary needs the 256 byte tokens; they get rows of zeros after the model's own. */
const BYTE_TOKENS = 256

/** llama.cpp scales attention by 1/√headSize in every family; what a model has beside that goes into its q rows. */
export function queryFactor(config: DecoderConfig): number {
  return config.attentionScale * Math.sqrt(config.headSize)
}

/** The base of a folder as GGUF, F32. */
export async function baseGguf(folder: string, config: DecoderConfig): Promise<Uint8Array> {
  const { tensors } = await readModelWeights(folder, "record the golden models again")
  const converted: GgufTensor[] = []
  for (const [name, shape] of decoderTensorShapes(config)) {
    const values = convertedValues(config, name, shape, asFloat32(tensors.get(name)!))
    const rows = isVocabulary(name) ? [shape[0]! + BYTE_TOKENS, shape[1]!] : shape
    const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
    converted.push({ name: targetName(config, name), dimensions: [...rows].reverse(), dtype: "F32", data })
  }
  return writeGguf(metadataOf(config), converted)
}

function metadataOf(config: DecoderConfig): [string, GgufValue][] {
  const architecture = ggufArchitecture(config)
  const whole = (name: string, value: number): [string, GgufValue] => [`${architecture}.${name}`, { type: "uint32", value }]
  const real = (name: string, value: number): [string, GgufValue] => [`${architecture}.${name}`, { type: "float32", value }]
  const window = config.layers.find((layer) => layer.window !== undefined)?.window
  const tokens = Array.from({ length: config.vocabularySize }, (_, id) => ["<unk>", "<s>", "</s>", "▁"][id] ?? `t${id}`)
  const bytes = Array.from({ length: BYTE_TOKENS }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`)
  return [
    ["general.architecture", { type: "string", value: architecture }],
    ["general.type", { type: "string", value: "model" }],
    whole("context_length", config.maxPositions),
    whole("embedding_length", config.hiddenSize),
    whole("block_count", config.layerCount),
    whole("feed_forward_length", config.intermediateSize),
    whole("attention.head_count", config.headCount),
    whole("attention.head_count_kv", config.keyValueHeadCount),
    whole("attention.key_length", config.headSize),
    whole("attention.value_length", config.headSize),
    real("attention.layer_norm_rms_epsilon", config.rmsNormEpsilon),
    whole("rope.dimension_count", config.headSize),
    real("rope.freq_base", config.layers[0]!.rope.theta),
    whole("vocab_size", config.vocabularySize + BYTE_TOKENS),
    ...(config.attentionSoftCap ? [real("attn_logit_softcapping", config.attentionSoftCap)] : []),
    ...(config.finalSoftCap ? [real("final_logit_softcapping", config.finalSoftCap)] : []),
    ...(window === undefined ? [] : [whole("attention.sliding_window", window)]),
    ["tokenizer.ggml.model", { type: "string", value: "llama" }],
    ["tokenizer.ggml.tokens", { type: "strings", value: [...tokens, ...bytes] }],
  ]
}

function isVocabulary(name: string): boolean {
  return name === "model.embed_tokens.weight" || name === "lm_head.weight"
}

const OUTER_NAMES: Readonly<Record<string, string>> = {
  "model.embed_tokens.weight": "token_embd.weight",
  "model.norm.weight": "output_norm.weight",
  "lm_head.weight": "output.weight",
}

function targetName(config: DecoderConfig, name: string): string {
  const [, layer, path, part] = /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(name) ?? []
  if (layer === undefined) return OUTER_NAMES[name]!
  const norms: Readonly<Record<string, string>> = {
    input_layernorm: "attn_norm",
    post_attention_layernorm: config.postNorms ? "post_attention_norm" : "ffn_norm",
    pre_feedforward_layernorm: "ffn_norm",
    post_feedforward_layernorm: "post_ffw_norm",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
  }
  const norm = norms[path!]
  return norm ? `blk.${layer}.${norm}.${part}` : ggufName(`model.layers.${layer}.${path}`).replace(/weight$/, part!)
}

function convertedValues(config: DecoderConfig, name: string, shape: readonly number[], values: Float32Array): Float32Array {
  if (name.endsWith("norm.weight")) return values.map((value) => config.normOffset + value)
  if (isVocabulary(name)) {
    const padded = new Float32Array(values.length + BYTE_TOKENS * shape[1]!)
    padded.set(values)
    return padded
  }
  const isQuery = name.includes("q_proj")
  if (!isQuery && !name.includes("k_proj")) return values
  const scaled = isQuery ? values.map((value) => value * queryFactor(config)) : values
  if (ggufArchitecture(config) !== "llama") return scaled
  return interleaveHalves(scaled, isQuery ? config.headCount : config.keyValueHeadCount, shape[1] ?? 1)
}
