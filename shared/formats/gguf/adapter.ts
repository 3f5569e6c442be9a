// A LoRA adapter as llama.cpp loads it: a GGUF file with the base's architecture and tensor names.
// Source: llama.cpp, convert_lora_to_gguf.py (keys, names), conversion/llama.py (LlamaModel.permute), and
// src/llama-adapter.{h,cpp} (what is checked on loading; scale = adapter.lora.alpha / rank).
import type { DecoderConfig } from "../families/decoder-config.ts"
import { type Adapter, InvalidAdapter, moduleName, type TargetModule } from "../peft/adapter.ts"
import { encodeTensor } from "../weights/tensor.ts"
import { type GgufTensor, type GgufValue, writeGguf } from "./container.ts"

export interface GgufAdapterOptions {
  readonly dtype: "F32" | "F16"
  /** general.name; for people. */
  readonly name?: string | undefined
}

const TENSOR_NAMES: Readonly<Record<TargetModule, string>> = {
  q_proj: "attn_q",
  k_proj: "attn_k",
  v_proj: "attn_v",
  o_proj: "attn_output",
  gate_proj: "ffn_gate",
  up_proj: "ffn_up",
  down_proj: "ffn_down",
}

/** llama.cpp's name of the base's architecture, which must be that of the model that the adapter is loaded onto. */
export function ggufArchitecture({ family }: DecoderConfig): string {
  return family === "mistral" ? "llama" : family
}

/**
 * The adapter as a GGUF file. A is [rank, in] and B [out, rank] as in PEFT; in architecture "llama" (Llama and Mistral) the
 * rows of B for q and k are reordered as the base's are. Any scaling, also α/√r, is kept as the alpha that alpha / rank
 * gives it back from. Throws InvalidAdapter where a value does not fit binary16.
 */
export function encodeGgufAdapter(
  adapter: Adapter,
  config: DecoderConfig,
  { dtype, name }: GgufAdapterOptions,
): Uint8Array<ArrayBuffer> {
  const { rank } = adapter.settings
  const architecture = ggufArchitecture(config)
  const metadata: [string, GgufValue][] = [
    ["general.architecture", { type: "string", value: architecture }],
    ["general.type", { type: "string", value: "adapter" }],
    ...(name === undefined ? [] : [["general.name", { type: "string", value: name }] satisfies [string, GgufValue]]),
    ["general.file_type", { type: "uint32", value: dtype === "F32" ? 0 : 1 }],
    ["adapter.type", { type: "string", value: "lora" }],
    ["adapter.lora.alpha", { type: "float32", value: adapter.scaling * rank }],
  ]
  const tensors: GgufTensor[] = []
  for (const [path, { a, b }] of adapter.modules) {
    const target = ggufName(path)
    const rows = b.length / rank
    tensors.push(matrix(`${target}.lora_a`, rank, a, dtype))
    tensors.push(matrix(`${target}.lora_b`, rows, orderRows(b, path, rank, config, architecture), dtype))
  }
  return writeGguf(metadata, tensors)
}

/** "model.layers.3.self_attn.q_proj" → "blk.3.attn_q.weight" */
export function ggufName(modulePath: string): string {
  const layer = /\.layers\.(\d+)\./.exec(modulePath)
  const name = TENSOR_NAMES[moduleName(modulePath)]
  if (!layer || name === undefined) {
    throw new InvalidAdapter(`module ${modulePath} has no name in GGUF; export the adapter without it`)
  }
  return `blk.${layer[1]}.${name}.weight`
}

function matrix(name: string, rows: number, values: Float32Array, dtype: "F32" | "F16"): GgufTensor {
  const columns = values.length / rows
  const { data } = encodeTensor(name, [rows, columns], values, dtype)
  if (dtype === "F16" && values.some((value) => Math.abs(value) >= 65_520)) {
    throw new InvalidAdapter(`${name} holds values beyond 65504, which F16 cannot; write F32`)
  }
  return { name, dimensions: [columns, rows], dtype, data }
}

function orderRows(
  b: Float32Array,
  path: string,
  rank: number,
  config: DecoderConfig,
  architecture: string,
): Float32Array {
  if (architecture !== "llama") return b
  const name = moduleName(path)
  if (name === "q_proj") return interleaveHalves(b, config.headCount, rank)
  return name === "k_proj" ? interleaveHalves(b, config.keyValueHeadCount, rank) : b
}

/**
 * Reorders the rows of a [headCount · D, columns] matrix within each head from halves to pairs: row j of the first half goes
 * to 2j, of the second to 2j + 1. Hugging Face turns dimension j with j + D/2, llama.cpp's "llama" graph 2j with 2j + 1.
 */
export function interleaveHalves(values: Float32Array, headCount: number, columns: number): Float32Array {
  const headRows = values.length / columns / headCount
  const result = new Float32Array(values.length)
  for (let row = 0; row < values.length / columns; row++) {
    const head = Math.floor(row / headRows)
    const inHead = row % headRows
    const half = Math.floor(inHead / (headRows / 2))
    const to = head * headRows + 2 * (inHead % (headRows / 2)) + half
    result.set(values.subarray(row * columns, (row + 1) * columns), to * columns)
  }
  return result
}
