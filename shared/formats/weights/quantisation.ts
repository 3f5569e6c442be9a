// Frozen weight matrices in few bits: bfloat16, binary16, int8 and NormalFloat-4, as the u32 words that the device decodes.
// A row starts at a word of its own; inside a word the first column stands in the lowest bits. int8 and nf4 have one f32 scale for
// each block of 64 columns of a row (the last block may be shorter). `expandMatrix` is the exact twin of the device's expansion.
import { narrowBFloat16, narrowFloat16, widenBFloat16, widenFloat16 } from "./half-float.ts"
import { NORMAL_FLOAT_4, normalFloat4Code } from "./normal-float.ts"
import { asFloat32, type Tensor } from "./tensor.ts"

/** How a frozen matrix is held. */
export const WEIGHT_KINDS = ["f32", "bf16", "f16", "int8", "nf4"] as const
export type WeightKind = (typeof WEIGHT_KINDS)[number]
/** Kinds that are held as codes in words. */
export type CodedKind = Exclude<WeightKind, "f32">

/** Columns that share a scale in int8 and nf4. */
export const BLOCK_COLUMNS = 64

/** Bits of one code. */
const CODE_BITS: Readonly<Record<WeightKind, number>> = { f32: 32, bf16: 16, f16: 16, int8: 8, nf4: 4 }

/** A matrix on the host, [rows, columns] = [out, in]. */
export type HostMatrix =
  | { readonly kind: "f32"; readonly rows: number; readonly columns: number; readonly values: Float32Array }
  | CodedMatrix

export interface CodedMatrix {
  readonly kind: CodedKind
  readonly rows: number
  readonly columns: number
  /** [rows, wordsPerRow(kind, columns)] */
  readonly words: Uint32Array
  /** [rows, blocksPerRow(columns)] of int8 and nf4, else undefined */
  readonly scales: Float32Array | undefined
}

/** A weight cannot be held as asked; the message names the tensor, the place and the mend. */
export class UnstorableWeight extends Error {
  readonly _tag = "UnstorableWeight"
}

/** u32 words of one row. */
export function wordsPerRow(kind: CodedKind, columns: number): number {
  return Math.ceil((columns * CODE_BITS[kind]) / 32)
}

/** Scales of one row of int8 and nf4. */
export function blocksPerRow(columns: number): number {
  return Math.ceil(columns / BLOCK_COLUMNS)
}

/** Whether a kind has scales. */
export function isQuantised(kind: WeightKind): kind is "int8" | "nf4" {
  return kind === "int8" || kind === "nf4"
}

/** Bytes of a matrix as held, scales included: 8.5 bits a weight for int8 and 4.5 for nf4 where columns are a multiple of 64. */
export function storedBytes(kind: WeightKind, rows: number, columns: number): number {
  if (kind === "f32") return 4 * rows * columns
  return 4 * rows * (wordsPerRow(kind, columns) + (isQuantised(kind) ? blocksPerRow(columns) : 0))
}

/** The kind that holds a checkpoint's dtype without any change. Throws UnstorableWeight on other dtypes than F32, BF16, F16. */
export function verbatimKind({ name, dtype }: Pick<Tensor, "name" | "dtype">): "f32" | "bf16" | "f16" {
  if (dtype === "F32") return "f32"
  if (dtype === "BF16") return "bf16"
  if (dtype === "F16") return "f16"
  throw new UnstorableWeight(`${name} is ${dtype}; weights must be F32, F16 or BF16`)
}

/**
 * Holds an [out, in] matrix of F32, F16 or BF16 as `kind`:
 * - the checkpoint's own dtype: verbatim;
 * - bf16, f16 of anything else: rounded to nearest, ties to even (relative error up to 2⁻⁸ and 2⁻¹¹; below 6.1e-5 in f16 up to 2⁻²⁵ absolute);
 * - int8: code = weight / scale rounded, scale = largest magnitude of the block / 127; error up to scale / 2;
 * - nf4: the nearest code value times the block's largest magnitude; error up to half the distance of the neighbouring code values.
 * Zero stays zero. A block whose largest magnitude is below 2⁻¹¹⁹ is held as zeros, so that no product is subnormal.
 * Errors: UnstorableWeight on NaN, infinity, or a magnitude beyond the kind's range.
 */
export function storeMatrix(tensor: Tensor, kind: WeightKind): HostMatrix {
  const [rows, columns] = tensor.shape
  if (tensor.shape.length !== 2 || !rows || !columns) {
    throw new UnstorableWeight(`${tensor.name} has shape [${tensor.shape}]; only matrices are held in ${kind}`)
  }
  if (kind !== "f32" && verbatimKind(tensor) === kind) {
    const words = wordsOfHalves(tensor.data, rows, columns)
    checkFiniteHalves(tensor.name, words, kind === "bf16" ? 0x7f80 : 0x7c00, wordsPerRow(kind, columns))
    return { kind, rows, columns, words, scales: undefined }
  }
  const values = asFloat32(tensor)
  checkFinite(tensor.name, values, columns)
  if (kind === "f32") return { kind, rows, columns, values }
  if (kind === "int8" || kind === "nf4") return { kind, rows, columns, ...quantise(kind, values, rows, columns) }
  return { kind, rows, columns, words: roundedHalves(tensor.name, kind, values, rows, columns), scales: undefined }
}

/** The matrix in f32, bit for bit as the device expands it. */
export function expandMatrix(matrix: HostMatrix): Float32Array {
  if (matrix.kind === "f32") return matrix.values
  if (matrix.kind === "bf16" || matrix.kind === "f16") return expandHalves(matrix)
  const { kind, rows, columns, words, scales } = matrix
  const values = new Float32Array(rows * columns)
  const codesPerWord = 32 / CODE_BITS[kind]
  const rowWords = wordsPerRow(kind, columns)
  const rowBlocks = blocksPerRow(columns)
  const decoded = kind === "int8" ? (code: number) => (code << 24) >> 24 : (code: number) => NORMAL_FLOAT_4[code]!
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const word = words[row * rowWords + Math.floor(column / codesPerWord)]!
      const code = (word >>> ((column % codesPerWord) * CODE_BITS[kind])) & (2 ** CODE_BITS[kind] - 1)
      const scale = scales![row * rowBlocks + Math.floor(column / BLOCK_COLUMNS)]!
      // The product of two f32 is exact in f64, so that storing it rounds once, as the device does.
      values[row * columns + column] = decoded(code) * scale
    }
  }
  return values
}

function expandHalves({ kind, rows, columns, words }: CodedMatrix): Float32Array {
  const halves = new Uint16Array(words.buffer, words.byteOffset, 2 * words.length)
  const padded = kind === "bf16" ? widenBFloat16(halves) : widenFloat16(halves)
  if (columns % 2 === 0) return padded
  const values = new Float32Array(rows * columns)
  for (let row = 0; row < rows; row++) {
    const start = row * (columns + 1)
    values.set(padded.subarray(start, start + columns), row * columns)
  }
  return values
}

/** 16-bit values as words: a view of the checkpoint's bytes where rows are whole words and aligned, else a copy. */
function wordsOfHalves(data: Uint8Array, rows: number, columns: number): Uint32Array {
  if (columns % 2 === 0) {
    const bytes = data.byteOffset % 4 === 0 ? data : data.slice()
    return new Uint32Array(bytes.buffer, bytes.byteOffset, (rows * columns) / 2)
  }
  const words = new Uint32Array(rows * Math.ceil(columns / 2))
  const bytes = new Uint8Array(words.buffer)
  const rowBytes = 2 * columns
  for (let row = 0; row < rows; row++) {
    bytes.set(data.subarray(row * rowBytes, (row + 1) * rowBytes), row * (rowBytes + 2))
  }
  return words
}

function roundedHalves(name: string, kind: "bf16" | "f16", values: Float32Array, rows: number, columns: number) {
  const limit = kind === "bf16" ? LARGEST_TO_BFLOAT16 : LARGEST_FLOAT16
  for (let index = 0; index < values.length; index++) {
    if (Math.abs(values[index]!) <= limit) continue
    const place = `[${Math.floor(index / columns)}, ${index % columns}]`
    const mend = kind === "f16" ? "hold the weights in bf16" : "hold the weights in f32"
    throw new UnstorableWeight(`${name} holds ${values[index]} at ${place}, beyond the range of ${kind}; ${mend}`)
  }
  const halves = kind === "bf16" ? narrowBFloat16(values) : narrowFloat16(values)
  return wordsOfHalves(new Uint8Array(halves.buffer), rows, columns)
}

const LARGEST_FLOAT16 = 65_504
/** The largest f32 that bf16 does not round to infinity: one f32 unit below half-way past its own largest value. */
const LARGEST_TO_BFLOAT16 = (2 - 2 ** -8) * 2 ** 127 - 2 ** 104

/** Products of a code value and a scale are normal f32 from here on: a device may flush subnormal ones to zero. */
const SMALLEST_BLOCK_MAGNITUDE = 2 ** -119

function quantise(kind: "int8" | "nf4", values: Float32Array, rows: number, columns: number) {
  const rowWords = wordsPerRow(kind, columns)
  const rowBlocks = blocksPerRow(columns)
  const words = new Uint32Array(rows * rowWords)
  const scales = new Float32Array(rows * rowBlocks)
  const encode = kind === "int8" ? encodeInt8Block : encodeNormalFloatBlock
  for (let row = 0; row < rows; row++) {
    for (let block = 0; block < rowBlocks; block++) {
      const first = block * BLOCK_COLUMNS
      const weights = values.subarray(row * columns + first, row * columns + Math.min(columns, first + BLOCK_COLUMNS))
      const firstWord = row * rowWords + (first * CODE_BITS[kind]) / 32
      scales[row * rowBlocks + block] = encode(weights, words, firstWord)
    }
  }
  return { words, scales }
}

/** Largest magnitude of a block, 0 where it is too small to be held. */
function blockMagnitude(weights: Float32Array): number {
  let largest = 0
  for (let index = 0; index < weights.length; index++) {
    const magnitude = Math.abs(weights[index]!)
    if (magnitude > largest) largest = magnitude
  }
  return largest < SMALLEST_BLOCK_MAGNITUDE ? 0 : largest
}

function encodeInt8Block(weights: Float32Array, words: Uint32Array, firstWord: number): number {
  const scale = Math.fround(blockMagnitude(weights) / 127)
  if (scale === 0) return 0
  for (let index = 0; index < weights.length; index++) {
    words[firstWord + (index >>> 2)]! |= (roundHalfToEven(weights[index]! / scale) & 0xff) << (8 * (index & 3))
  }
  return scale
}

const ROUNDER = 1.5 * 2 ** 52

/** The nearest integer, ties to even, of numbers far below 2⁵¹: f64 has no room for a fraction beside the rounder. */
function roundHalfToEven(number: number): number {
  return number + ROUNDER - ROUNDER
}

const ZERO_CODE = 7

function encodeNormalFloatBlock(weights: Float32Array, words: Uint32Array, firstWord: number): number {
  const scale = blockMagnitude(weights)
  for (let index = 0; index < weights.length; index++) {
    const code = scale === 0 ? ZERO_CODE : normalFloat4Code(weights[index]! / scale)
    words[firstWord + (index >>> 3)]! |= code << (4 * (index & 7))
  }
  return scale
}

// By bits and in a plain loop, as all loops over weights here: models have billions of them.
function checkFinite(name: string, values: Float32Array, columns: number): void {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
  for (let index = 0; index < bits.length; index++) {
    if ((bits[index]! & 0x7f80_0000) === 0x7f80_0000) throw notFinite(name, values[index]!, index, columns)
  }
}

/** Looks at two values at a time: all exponent bits set is infinity or NaN. */
function checkFiniteHalves(name: string, words: Uint32Array, exponentMask: number, rowWords: number): void {
  const highMask = (exponentMask << 16) >>> 0
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!
    const isHighBad = (word & highMask) >>> 0 === highMask
    if (!isHighBad && (word & exponentMask) !== exponentMask) continue
    const column = 2 * (index % rowWords) + ((word & exponentMask) === exponentMask ? 0 : 1)
    const bits = Uint16Array.of(column % 2 === 0 ? word & 0xffff : word >>> 16)
    const [value] = exponentMask === 0x7f80 ? widenBFloat16(bits) : widenFloat16(bits)
    throw notFinite(name, value!, Math.floor(index / rowWords) * 2 * rowWords + column, 2 * rowWords)
  }
}

function notFinite(name: string, value: number, index: number, columns: number): UnstorableWeight {
  const place = `[${Math.floor(index / columns)}, ${index % columns}]`
  return new UnstorableWeight(`${name} holds ${value} at ${place}; the checkpoint is broken, fetch it again`)
}
