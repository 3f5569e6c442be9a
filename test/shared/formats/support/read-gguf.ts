// A GGUF reader of its own for the tests, written from the specification (ggml, docs/gguf.md) and not from the writer.

export interface ReadGguf {
  readonly version: number
  readonly metadata: Map<string, { readonly type: number; readonly value: unknown }>
  readonly tensors: Map<string, { readonly dimensions: number[]; readonly type: number; readonly values: number[] }>
}

const U8 = 0
const U32 = 4
const I32 = 5
const F32 = 6
const BOOL = 7
const STRING = 8
const ARRAY = 9
const U64 = 10

/** Bytes of a block, and how many values it holds, by the type of a tensor: F32, F16, Q8_0, BF16. */
const BLOCKS: Readonly<Record<number, readonly [bytes: number, values: number]>> = {
  0: [4, 1],
  1: [2, 1],
  8: [34, 32],
  30: [2, 1],
}

/** Reads a little-endian file; throws on anything out of place. Values of Q8_0 are code times scale. */
export function readGguf(file: Uint8Array): ReadGguf {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  let at = 0
  /** Position of the next bytes, which are then behind. */
  const take = (bytes: number) => {
    at += bytes
    return at - bytes
  }
  const u32 = () => view.getUint32(take(4), true)
  const u64 = () => Number(view.getBigUint64(take(8), true))
  const text = () => {
    const length = u64()
    const start = take(length)
    return new TextDecoder("utf-8", { fatal: true }).decode(file.subarray(start, start + length))
  }
  const value = (type: number): unknown => {
    if (type === U8 || type === BOOL) return file[take(1)]
    if (type === U32) return u32()
    if (type === I32) return view.getInt32(take(4), true)
    if (type === F32) return view.getFloat32(take(4), true)
    if (type === STRING) return text()
    if (type === U64) return u64()
    if (type !== ARRAY) throw new Error(`value type ${type}`)
    const inner = u32()
    return Array.from({ length: u64() }, () => value(inner))
  }
  if (u32() !== 0x46554747) throw new Error("no GGUF magic")
  const version = u32()
  const tensorCount = u64()
  const metadataCount = u64()
  const metadata: ReadGguf["metadata"] = new Map()
  for (let i = 0; i < metadataCount; i++) {
    const key = text()
    const type = u32()
    metadata.set(key, { type, value: value(type) })
  }
  const infos = Array.from({ length: tensorCount }, () => {
    const name = text()
    const dimensions = Array.from({ length: u32() }, u64)
    return { name, dimensions, type: u32(), offset: u64() }
  })
  const alignment = Number(metadata.get("general.alignment")?.value ?? 32)
  const dataStart = Math.ceil(at / alignment) * alignment
  const tensors: ReadGguf["tensors"] = new Map()
  let end = dataStart
  for (const { name, dimensions, type, offset } of infos) {
    if (offset % alignment !== 0) throw new Error(`${name} is not aligned`)
    const [bytes = Number.NaN, held = 1] = BLOCKS[type] ?? []
    const count = dimensions.reduce((product, length) => product * length, 1)
    if (dimensions[0]! % held !== 0) throw new Error(`${name} has rows that are no whole blocks`)
    const read = (index: number) => {
      const position = dataStart + offset + Math.floor(index / held) * bytes
      if (type === 0) return view.getFloat32(position, true)
      const bits = view.getUint16(position, true)
      if (type === 30) return new Float32Array(Uint32Array.of(bits << 16).buffer)[0]!
      return halfToNumber(bits) * (type === 8 ? view.getInt8(position + 2 + (index % held)) : 1)
    }
    tensors.set(name, { dimensions, type, values: Array.from({ length: count }, (_, index) => read(index)) })
    end = dataStart + offset + Math.ceil(((count / held) * bytes) / alignment) * alignment
  }
  if (end !== file.byteLength) throw new Error(`the file has ${file.byteLength} bytes, its tensors end at ${end}`)
  return { version, metadata, tensors }
}

function halfToNumber(bits: number): number {
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  const magnitude = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15)
  return bits & 0x8000 ? -magnitude : magnitude
}
