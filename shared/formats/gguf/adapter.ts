// A LoRA adapter as llama.cpp loads it: a GGUF file with the base's architecture and tensor names.
// Source: llama.cpp, convert_lora_to_gguf.py (keys, names), and src/llama-adapter.{h,cpp} (what is checked on loading;
// scale = adapter.lora.alpha / rank).
import type { DecoderConfig } from "../families/decoder-config.ts"
import { type Adapter, InvalidAdapter, moduleName } from "../peft/adapter.ts"
import { encodeTensor } from "../weights/tensor.ts"
import { type GgufTensor, type GgufValue, writeGguf } from "./container.ts"
import {
  ggufArchitecture,
  ggufTensorName,
  interleavedHeads,
  interleaveHalves,
  queryFactor,
  scalesQueryRows,
} from "./names.ts"

export interface GgufAdapterOptions {
  readonly dtype: "F32" | "F16"
  /** general.name; for people. */
  readonly name?: string | undefined
}

/**
 * The adapter as a GGUF file. A is [rank, in] and B [out, rank] as in PEFT; in architecture "llama" (Llama and Mistral) the
 * rows of B for q and k are reordered as the base's are, and where the base's rows of q are scaled (`queryFactor`), so are B's. Any scaling, also α/√r, is kept as the alpha that alpha / rank
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
    const target = ggufTensorName(`${path}.weight`, config)
    if (target === undefined) {
      throw new InvalidAdapter(`module ${path} has no name in GGUF; export the adapter without it`)
    }
    const rows = b.length / rank
    tensors.push(matrix(`${target}.lora_a`, rank, a, dtype))
    tensors.push(matrix(`${target}.lora_b`, rows, rowsOf(b, path, rank, config), dtype))
  }
  return writeGguf(metadata, tensors)
}

function matrix(name: string, rows: number, values: Float32Array, dtype: "F32" | "F16"): GgufTensor {
  const columns = values.length / rows
  const { data } = encodeTensor(name, [rows, columns], values, dtype)
  if (dtype === "F16" && values.some((value) => Math.abs(value) >= 65_520)) {
    throw new InvalidAdapter(`${name} holds values beyond 65504, which F16 cannot; write F32`)
  }
  return { name, dimensions: [columns, rows], dtype, data }
}

function rowsOf(b: Float32Array, path: string, rank: number, config: DecoderConfig): Float32Array {
  const isScaled = moduleName(path) === "q_proj" && scalesQueryRows(config)
  const scaled = isScaled ? b.map((value) => queryFactor(config) * value) : b
  const heads = interleavedHeads(path, config)
  return heads === undefined ? scaled : interleaveHalves(scaled, heads, rank)
}
