// What llama.cpp calls an architecture, its tensors and their rows' order. Source: llama.cpp, gguf-py/gguf/constants.py and
// tensor_mapping.py (names), conversion/llama.py (LlamaModel.permute), src/models/<architecture>.cpp.
import type { DecoderConfig } from "../families/decoder-config.ts"

/** llama.cpp's name of the architecture. An adapter must name that of the model that it is loaded onto. */
export function ggufArchitecture({ family }: Pick<DecoderConfig, "family">): string {
  return family === "mistral" ? "llama" : family
}

const OUTER_NAMES: Readonly<Record<string, string>> = {
  "model.embed_tokens.weight": "token_embd.weight",
  "model.norm.weight": "output_norm.weight",
  "lm_head.weight": "output.weight",
}

const LAYER_NAMES: Readonly<Record<string, string>> = {
  input_layernorm: "attn_norm",
  pre_feedforward_layernorm: "ffn_norm",
  post_feedforward_layernorm: "post_ffw_norm",
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  "self_attn.q_norm": "attn_q_norm",
  "self_attn.k_norm": "attn_k_norm",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
}

/** "model.layers.3.self_attn.q_proj.weight" → "blk.3.attn_q.weight"; undefined where llama.cpp has no such tensor. */
export function ggufTensorName(name: string, { postNorms }: Pick<DecoderConfig, "postNorms">): string | undefined {
  const [, layer, path, part] = /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(name) ?? []
  if (path === undefined) return OUTER_NAMES[name]
  const own = path === "post_attention_layernorm" ? (postNorms ? "post_attention_norm" : "ffn_norm") : LAYER_NAMES[path]
  return own && `blk.${layer}.${own}.${part}`
}

/**
 * How many heads' rows of a module are interleaved: Hugging Face turns dimension j with j + D/2, llama.cpp's "llama" graph 2j with
 * 2j + 1, so rows of q and k stand in another order there. undefined where they stand as they are.
 */
export function interleavedHeads(path: string, config: DecoderConfig): number | undefined {
  if (ggufArchitecture(config) !== "llama") return undefined
  if (/\.q_proj(\.(weight|bias))?$/.test(path)) return config.headCount
  return /\.k_proj(\.(weight|bias))?$/.test(path) ? config.keyValueHeadCount : undefined
}

/**
 * Reorders the rows of a matrix of headCount heads, of any row size, within each head from halves to pairs: row j of the first half
 * goes to 2j, of the second to 2j + 1.
 */
export function interleaveHalves<Values extends Uint8Array | Float32Array>(
  values: Values,
  headCount: number,
  rowLength: number,
): Values {
  const headRows = values.length / rowLength / headCount
  const result = values.slice() as Values
  for (let row = 0; row < values.length / rowLength; row++) {
    const head = Math.floor(row / headRows)
    const inHead = row % headRows
    const half = Math.floor(inHead / (headRows / 2))
    const to = head * headRows + 2 * (inHead % (headRows / 2)) + half
    result.set(values.subarray(row * rowLength, (row + 1) * rowLength), to * rowLength)
  }
  return result
}

/**
 * By what q must be multiplied so that llama.cpp's attention scores are the model's: it scales by 1/√headSize, Gemma's largest models
 * (told by their number of layers) by 1/√(hiddenSize / headCount), and reads no scale of the file. Source: src/models/gemma2.cpp, gemma3.cpp.
 */
export function queryFactor(config: DecoderConfig): number {
  const largest = { gemma2: 46, gemma3: 62 }[config.family as string]
  const isLargest = largest === config.layerCount
  const size = isLargest ? Math.floor(config.hiddenSize / config.headCount) : config.headSize
  const factor = config.attentionScale * Math.sqrt(size)
  // 1/√D · √D is 1, but for its last bit.
  return Math.abs(factor - 1) < 1e-12 ? 1 : factor
}

/** Whether the factor stands in the rows of q, where adapters must have it too; with norms of q's heads it stands in those. */
export function scalesQueryRows(config: DecoderConfig): boolean {
  return !config.queryKeyNorm && queryFactor(config) !== 1
}
