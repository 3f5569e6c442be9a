// The tensors of a model file for llama.cpp: which there are, and each one's bytes piece by piece, so that an embedding of gigabytes
// is never held in a second form. Norms and biases stay f32; norms of Gemma are stored as what they multiply by.
import { type DecoderConfig, decoderTensorShapes } from "../families/decoder-config.ts"
import { asFloat32, encodeTensor, type FloatDtype, type Tensor } from "../weights/tensor.ts"
import { type GgufDescription, type GgufDtype, InvalidGguf } from "./container.ts"
import { ggufTensorName, interleavedHeads, interleaveHalves, queryFactor, scalesQueryRows } from "./names.ts"
import { encodeQ8Blocks, Q8_0_BLOCK_VALUES } from "./q8-0.ts"

/** How matrices may be stored, and llama.cpp's number for a file of such. */
export const GGUF_WEIGHTS = { f32: 0, f16: 1, bf16: 32, q8_0: 7 } as const
export type GgufWeights = keyof typeof GGUF_WEIGHTS

const DTYPES = { f32: "F32", f16: "F16", bf16: "BF16", q8_0: "Q8_0" } as const satisfies Record<GgufWeights, GgufDtype>
const PIECE_VALUES = 2 ** 22
/** From here on f16 is infinite. */
const BEYOND_F16 = 65_520

export interface GgufModelTensor extends GgufDescription {
  /** Its name in the model folder. */
  readonly source: string
}

/** What is stored of a model, in the order of its layers. Rows that are no whole blocks of Q8_0 are kept in F16, as llama.cpp's converter does. */
export function ggufModelTensors(config: DecoderConfig, weights: GgufWeights): GgufModelTensor[] {
  return [...decoderTensorShapes(config)].map(([source, shape]) => {
    const name = ggufTensorName(source, config)
    if (name === undefined) throw new InvalidGguf(`${source} has no name in GGUF; use a model without it`)
    const isWhole = weights !== "q8_0" || shape.at(-1)! % Q8_0_BLOCK_VALUES === 0
    const dtype = shape.length === 1 ? "F32" : isWhole ? DTYPES[weights] : "F16"
    return { source, name, dimensions: [...shape].reverse(), dtype }
  })
}

/**
 * The bytes of a tensor, in pieces. `merged` is the stored tensor, or that with an adapter folded in, in the dtype that is asked for.
 * Throws InvalidGguf where a value does not fit.
 */
export function* encodeGgufTensor(
  { source, name, dtype }: GgufModelTensor,
  config: DecoderConfig,
  merged: (dtype: FloatDtype) => Tensor,
): Generator<Uint8Array> {
  const factor = /\.q_proj\.(weight|bias)$/.test(source) && scalesQueryRows(config) ? queryFactor(config) : 1
  const isNorm = source.endsWith("norm.weight")
  // What is computed with is rounded once, at the end.
  const isComputed = isNorm || factor !== 1 || dtype === "Q8_0"
  const tensor = merged(isComputed ? "F32" : dtype)
  const heads = interleavedHeads(source, config)
  const columns = tensor.shape.length === 1 ? 1 : tensor.shape[1]!
  const rows = tensor.shape[0]!
  const encode = (values: Float32Array) => {
    if (isNorm) return encodeFloats(name, normValues(source, config, values), dtype)
    return encodeFloats(name, factor === 1 ? values : values.map((value) => factor * value), dtype)
  }
  const pieceRows = heads === undefined ? Math.max(1, Math.floor(PIECE_VALUES / columns)) : rows
  const { data } = tensor
  const rowBytes = data.length / rows
  for (let row = 0; row < rows; row += pieceRows) {
    const count = Math.min(pieceRows, rows - row)
    const stored = data.subarray(row * rowBytes, (row + count) * rowBytes)
    const bytes =
      tensor.dtype === dtype && !isComputed
        ? stored
        : encode(asFloat32({ name, dtype: tensor.dtype, shape: [count, columns], data: stored }))
    if (heads === undefined) yield bytes
    else yield interleaveHalves(bytes, heads, bytes.length / count)
  }
}

/** Gemma multiplies by 1 + w, llama.cpp by what is stored; and a scale of q that its norm can carry stands in that. */
function normValues(source: string, config: DecoderConfig, values: Float32Array): Float32Array {
  const factor = source.endsWith("self_attn.q_norm.weight") ? queryFactor(config) : 1
  return values.map((value) => factor * (config.normOffset + value))
}

function encodeFloats(name: string, values: Float32Array, dtype: GgufDtype): Uint8Array {
  if (dtype !== "Q8_0") {
    if (dtype === "F16") checkFits(name, values, BEYOND_F16)
    return encodeTensor(name, [values.length], values, dtype).data
  }
  checkFits(name, values, 127 * BEYOND_F16)
  return encodeQ8Blocks(values)
}

function checkFits(name: string, values: Float32Array, beyond: number): void {
  const bad = values.find((value) => !(Math.abs(value) < beyond))
  if (bad === undefined) return
  throw new InvalidGguf(`${name} holds ${bad}, which these weights cannot; use --weights bf16 or f32`)
}
