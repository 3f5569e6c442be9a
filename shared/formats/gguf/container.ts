// The GGUF container, version 3, little-endian: metadata, tensor descriptions, then tensor bytes at multiples of 32.
// Writing only, whole or piece by piece. Source: ggml, docs/gguf.md. Equal inputs give equal bytes.

/** A metadata value with its type, since GGUF types every value. */
export type GgufValue =
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "uint32"; readonly value: number }
  | { readonly type: "float32"; readonly value: number }
  | { readonly type: "boolean"; readonly value: boolean }
  | { readonly type: "strings"; readonly value: readonly string[] }
  | { readonly type: "int32s"; readonly value: readonly number[] }
  | { readonly type: "float32s"; readonly value: readonly number[] }

export type GgufMetadata = readonly (readonly [key: string, value: GgufValue])[]

/** How values are stored: Q8_0 in blocks of 32 values of a row, each with a scale. */
export type GgufDtype = keyof typeof TENSOR_TYPES

/** A tensor without its bytes. `dimensions` are in GGUF's order, the fastest first: a row-major [rows, columns] matrix is [columns, rows]. */
export interface GgufDescription {
  readonly name: string
  readonly dimensions: readonly number[]
  readonly dtype: GgufDtype
}

export interface GgufTensor extends GgufDescription {
  readonly data: Uint8Array
}

/** Where everything stands: `head`, then each tensor's bytes with zeros after them up to the next multiple of 32. */
export interface GgufLayout {
  readonly head: Uint8Array<ArrayBuffer>
  /** Of each tensor, in the given order. */
  readonly tensorBytes: readonly number[]
  readonly fileBytes: number
}

/** The file cannot be written; the message names the key or tensor. */
export class InvalidGguf extends Error {
  readonly _tag = "InvalidGguf"
}

const VERSION = 3
const ALIGNMENT_BYTES = 32
/** ggml keeps a tensor's name in 64 bytes with a zero at the end. */
const MAX_NAME_BYTES = 63
const VALUE_TYPES = { int32: 5, uint32: 4, float32: 6, boolean: 7, string: 8, list: 9 } as const
const TENSOR_TYPES = {
  F32: { id: 0, values: 1, bytes: 4 },
  F16: { id: 1, values: 1, bytes: 2 },
  Q8_0: { id: 8, values: 32, bytes: 34 },
  BF16: { id: 30, values: 1, bytes: 2 },
} as const
const LISTS = { strings: "string", int32s: "int32", float32s: "float32" } as const

/** Writes a GGUF file. Throws InvalidGguf on names that ggml cannot hold, repeated names, or data that disagrees with its dimensions. */
export function writeGguf(metadata: GgufMetadata, tensors: readonly GgufTensor[]): Uint8Array<ArrayBuffer> {
  const { head, tensorBytes, fileBytes } = layoutGguf(metadata, tensors)
  const file = new Uint8Array(fileBytes)
  file.set(head)
  let position = head.length
  for (const [index, { name, data, dimensions, dtype }] of tensors.entries()) {
    if (data.byteLength !== tensorBytes[index]) {
      throw new InvalidGguf(
        `tensor ${name} has ${data.byteLength} bytes where [${dimensions}] of ${dtype} needs ${tensorBytes[index]}; correct one`,
      )
    }
    file.set(data, position)
    position += aligned(data.byteLength)
  }
  return file
}

/** The head of a file, and how long its tensors are. Throws InvalidGguf on names that ggml cannot hold, repeated names, and rows that are no whole blocks. */
export function layoutGguf(metadata: GgufMetadata, tensors: readonly GgufDescription[]): GgufLayout {
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
    head.uint32(value.type in LISTS ? VALUE_TYPES.list : VALUE_TYPES[value.type as keyof typeof VALUE_TYPES])
    writeValue(head, value)
  }
  let offset = 0
  const tensorBytes: number[] = []
  for (const tensor of tensors) {
    head.string(tensor.name)
    head.uint32(tensor.dimensions.length)
    for (const length of tensor.dimensions) head.uint64(length)
    head.uint32(TENSOR_TYPES[tensor.dtype].id)
    head.uint64(offset)
    tensorBytes.push(bytesOf(tensor))
    offset += aligned(tensorBytes.at(-1)!)
  }
  const headBytes = head.concatenated(aligned(head.length))
  return { head: headBytes, tensorBytes, fileBytes: headBytes.length + offset }
}

/** Zeros that stand after a tensor of so many bytes. */
export function paddingAfter(bytes: number): Uint8Array {
  return new Uint8Array(aligned(bytes) - bytes)
}

function bytesOf({ name, dimensions, dtype }: GgufDescription): number {
  const { values, bytes } = TENSOR_TYPES[dtype]
  if ((dimensions[0] ?? 1) % values !== 0) {
    throw new InvalidGguf(
      `tensor ${name} has rows of ${dimensions[0]}, and ${dtype} takes blocks of ${values}; use F16`,
    )
  }
  return (dimensions.reduce((product, length) => product * length, 1) / values) * bytes
}

function writeValue(to: ByteWriter, value: GgufValue): void {
  if (value.type === "string") to.string(value.value)
  else if (value.type === "uint32") to.uint32(value.value)
  else if (value.type === "float32") to.float32(value.value)
  else if (value.type === "boolean") to.bytes(Uint8Array.of(value.value ? 1 : 0))
  else {
    to.uint32(VALUE_TYPES[LISTS[value.type]])
    to.uint64(value.value.length)
    if (value.type === "strings") for (const text of value.value) to.string(text)
    else to.numbers(value.type === "int32s" ? Int32Array.from(value.value) : Float32Array.from(value.value))
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

/** Collects little-endian values: one memory that grows, since vocabularies are hundreds of thousands of strings. */
class ByteWriter {
  #memory = new Uint8Array(1024)
  #view = new DataView(this.#memory.buffer)
  #length = 0

  get length(): number {
    return this.#length
  }

  bytes(piece: Uint8Array): void {
    const at = this.#take(piece.length)
    this.#memory.set(piece, at)
  }

  uint32(value: number): void {
    const at = this.#take(4)
    this.#view.setUint32(at, value, true)
  }

  uint64(value: number): void {
    const at = this.#take(8)
    this.#view.setBigUint64(at, BigInt(value), true)
  }

  float32(value: number): void {
    const at = this.#take(4)
    this.#view.setFloat32(at, value, true)
  }

  numbers(values: Int32Array | Float32Array): void {
    const at = this.#take(values.byteLength)
    for (const [index, value] of values.entries()) {
      if (values instanceof Int32Array) this.#view.setInt32(at + 4 * index, value, true)
      else this.#view.setFloat32(at + 4 * index, value, true)
    }
  }

  string(text: string): void {
    const bytes = new TextEncoder().encode(text)
    this.uint64(bytes.length)
    this.bytes(bytes)
  }

  /** With zeros after it up to a length. */
  concatenated(length: number): Uint8Array<ArrayBuffer> {
    const whole = new Uint8Array(length)
    whole.set(this.#memory.subarray(0, this.#length))
    return whole
  }

  /** Where the next bytes stand. */
  #take(bytes: number): number {
    const end = this.#length + bytes
    if (end > this.#memory.length) {
      const grown = new Uint8Array(Math.max(2 * this.#memory.length, end))
      grown.set(this.#memory.subarray(0, this.#length))
      this.#memory = grown
      this.#view = new DataView(grown.buffer)
    }
    this.#length = end
    return end - bytes
  }
}
