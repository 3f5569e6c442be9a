// The GGUF container, version 3, little-endian: metadata, tensor descriptions, then tensor bytes at multiples of 32.
// Writing only, and only what adapters need: F32 and F16 tensors. Source: ggml, docs/gguf.md. Equal inputs give equal bytes.

/** A metadata value with its type, since GGUF types every value. */
export type GgufValue =
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "uint32"; readonly value: number }
  | { readonly type: "float32"; readonly value: number }
  | { readonly type: "strings"; readonly value: readonly string[] }

/** One tensor. `dimensions` are in GGUF's order, the fastest first: a row-major [rows, columns] matrix is [columns, rows]. */
export interface GgufTensor {
  readonly name: string
  readonly dimensions: readonly number[]
  readonly dtype: "F32" | "F16"
  readonly data: Uint8Array
}

/** The file cannot be written; the message names the key or tensor. */
export class InvalidGguf extends Error {
  readonly _tag = "InvalidGguf"
}

const VERSION = 3
const ALIGNMENT_BYTES = 32
/** ggml keeps a tensor's name in 64 bytes with a zero at the end. */
const MAX_NAME_BYTES = 63
const VALUE_TYPES = { uint32: 4, float32: 6, string: 8, strings: 9 } as const
const TENSOR_TYPES = { F32: { id: 0, bytes: 4 }, F16: { id: 1, bytes: 2 } } as const

/** Writes a GGUF file. Throws InvalidGguf on names that ggml cannot hold, repeated names, or data that disagrees with its dimensions. */
export function writeGguf(
  metadata: readonly (readonly [key: string, value: GgufValue])[],
  tensors: readonly GgufTensor[],
): Uint8Array<ArrayBuffer> {
  checkNames(
    metadata.map(([key]) => key),
    65_535,
  )
  checkNames(
    tensors.map(({ name }) => name),
    MAX_NAME_BYTES,
  )
  const head = new ByteWriter()
  head.bytes(new TextEncoder().encode("GGUF"))
  head.uint32(VERSION)
  head.uint64(tensors.length)
  head.uint64(metadata.length)
  for (const [key, value] of metadata) {
    head.string(key)
    head.uint32(VALUE_TYPES[value.type])
    writeValue(head, value)
  }
  let offset = 0
  for (const { name, dimensions, dtype, data } of tensors) {
    const expected = dimensions.reduce((product, length) => product * length, TENSOR_TYPES[dtype].bytes)
    if (data.byteLength !== expected) {
      throw new InvalidGguf(
        `tensor ${name} has ${data.byteLength} bytes where [${dimensions}] of ${dtype} needs ${expected}; correct one`,
      )
    }
    head.string(name)
    head.uint32(dimensions.length)
    for (const length of dimensions) head.uint64(length)
    head.uint32(TENSOR_TYPES[dtype].id)
    head.uint64(offset)
    offset += aligned(data.byteLength)
  }
  const headBytes = head.concatenated()
  const dataStart = aligned(headBytes.length)
  const file = new Uint8Array(dataStart + offset)
  file.set(headBytes)
  let position = dataStart
  for (const { data } of tensors) {
    file.set(data, position)
    position += aligned(data.byteLength)
  }
  return file
}

function writeValue(to: ByteWriter, value: GgufValue): void {
  if (value.type === "string") to.string(value.value)
  else if (value.type === "uint32") to.uint32(value.value)
  else if (value.type === "float32") to.float32(value.value)
  else {
    to.uint32(VALUE_TYPES.string)
    to.uint64(value.value.length)
    for (const text of value.value) to.string(text)
  }
}

function checkNames(names: readonly string[], maxBytes: number): void {
  const seen = new Set<string>()
  for (const name of names) {
    if (seen.has(name)) throw new InvalidGguf(`${name} stands twice; give every key and tensor its own name`)
    seen.add(name)
    const length = new TextEncoder().encode(name).length
    if (length > maxBytes)
      throw new InvalidGguf(`the name ${name} has ${length} bytes, at most ${maxBytes} can be read`)
  }
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES
}

/** Collects little-endian values. */
class ByteWriter {
  readonly #pieces: Uint8Array[] = []

  bytes(piece: Uint8Array): void {
    this.#pieces.push(piece)
  }

  uint32(value: number): void {
    const view = new DataView(new ArrayBuffer(4))
    view.setUint32(0, value, true)
    this.bytes(new Uint8Array(view.buffer))
  }

  uint64(value: number): void {
    const view = new DataView(new ArrayBuffer(8))
    view.setBigUint64(0, BigInt(value), true)
    this.bytes(new Uint8Array(view.buffer))
  }

  float32(value: number): void {
    const view = new DataView(new ArrayBuffer(4))
    view.setFloat32(0, value, true)
    this.bytes(new Uint8Array(view.buffer))
  }

  string(text: string): void {
    const bytes = new TextEncoder().encode(text)
    this.uint64(bytes.length)
    this.bytes(bytes)
  }

  concatenated(): Uint8Array {
    const whole = new Uint8Array(this.#pieces.reduce((sum, piece) => sum + piece.length, 0))
    let position = 0
    for (const piece of this.#pieces) {
      whole.set(piece, position)
      position += piece.length
    }
    return whole
  }
}
