// The safetensors container: an 8-byte little-endian header length, a JSON header, then tensor bytes.
// Strict on reading (a hostile file yields InvalidSafetensors, nothing else) and deterministic on writing.
// Source: the format's README and safetensors/src/tensor.rs. Little-endian machines only, as everywhere wasm and WebGPU run.
import { isLfsPointer } from "../git-lfs.ts"
import { readJsonObject } from "../json-object.ts"
import { BYTES_PER_ELEMENT, InvalidSafetensors, type SafetensorsDtype, type Tensor } from "./tensor.ts"

export {
  asFloat32,
  asInt32,
  asUint32,
  encodeTensor,
  type FloatDtype,
  InvalidSafetensors,
  isFloatDtype,
  type SafetensorsDtype,
  type Tensor,
  tensorOf,
} from "./tensor.ts"

/** A parsed file: tensors in the order of their bytes. */
export interface Safetensors {
  readonly tensors: Map<string, Tensor>
  readonly metadata: Record<string, string>
}

const HEADER_LENGTH_BYTES = 8
const MAX_HEADER_BYTES = 100_000_000

interface Entry {
  readonly name: string
  readonly dtype: SafetensorsDtype
  readonly shape: readonly number[]
  readonly start: number
  readonly end: number
}

/** What a file's header says, without its tensors' bytes: in the order of those. */
export interface SafetensorsHeader {
  readonly tensors: readonly TensorDescription[]
  readonly metadata: Readonly<Record<string, string>>
}

/**
 * Parses a file without copying tensor bytes. `maxHeaderBytes` defaults to 100 MB, as in the reference.
 * Throws InvalidSafetensors on any breach of the format: overlaps, holes, trailing bytes, repeated keys,
 * broken UTF-8, sizes that disagree with shapes, unknown dtypes or fields.
 */
export function readSafetensors(bytes: Uint8Array, options: { readonly maxHeaderBytes?: number } = {}): Safetensors {
  const dataStart = headerEnd(bytes, bytes.length, options.maxHeaderBytes)
  return readSafetensorsLazily(bytes.subarray(0, dataStart), bytes.length, (start, end) => bytes.subarray(start, end))
}

/**
 * As readSafetensors, of a file of `fileBytes` bytes that is not held: `head` is its first `headerEnd` bytes, and a tensor's bytes are
 * read each time that they are asked for.
 */
export function readSafetensorsLazily(
  head: Uint8Array,
  fileBytes: number,
  read: (start: number, end: number) => Uint8Array,
): Safetensors {
  const { entries, metadata } = readEntries(head, fileBytes)
  const tensors = new Map<string, Tensor>()
  for (const { name, dtype, shape, start, end } of entries) {
    tensors.set(name, {
      ...{ name, dtype, shape },
      get data() {
        return read(head.length + start, head.length + end)
      },
    })
  }
  return { tensors, metadata }
}

/** Reads the header of a file of `fileBytes` bytes, whose first `headerEnd` bytes are `head`, as strictly as readSafetensors. */
export function readSafetensorsHeader(head: Uint8Array, fileBytes: number): SafetensorsHeader {
  const { entries, metadata } = readEntries(head, fileBytes)
  return { tensors: entries.map(({ name, dtype, shape }) => ({ name, dtype, shape })), metadata }
}

/** `head` ends where the tensors begin. */
function readEntries(head: Uint8Array, fileBytes: number): { entries: Entry[]; metadata: Record<string, string> } {
  let metadata: Record<string, string> = {}
  const entries: Entry[] = []
  for (const [name, value] of Object.entries(parseHeader(head.subarray(HEADER_LENGTH_BYTES)))) {
    if (name === "__metadata__") metadata = readMetadata(value)
    else entries.push(readEntry(name, value))
  }
  entries.sort((a, b) => a.start - b.start || a.end - b.end)
  checkCoverage(entries, fileBytes - head.length)
  return { entries, metadata }
}

/** Where the header of a file of `fileBytes` bytes ends, told by its first bytes. Throws InvalidSafetensors. */
export function headerEnd(first: Uint8Array, fileBytes: number, maxHeaderBytes = MAX_HEADER_BYTES): number {
  if (first.length < HEADER_LENGTH_BYTES) {
    throw new InvalidSafetensors(`the file has ${fileBytes} bytes, too few for a header; fetch it again in full`)
  }
  if (isLfsPointer(first)) {
    throw new InvalidSafetensors("this is a Git LFS pointer, not the weights: run git lfs pull in the model folder")
  }
  const view = new DataView(first.buffer, first.byteOffset, first.byteLength)
  const length = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32
  if (length > maxHeaderBytes) {
    throw new InvalidSafetensors(
      `the header claims ${length} bytes, over the limit of ${maxHeaderBytes}; is this safetensors?`,
    )
  }
  const end = HEADER_LENGTH_BYTES + length
  if (end > fileBytes) {
    throw new InvalidSafetensors(`the header ends at byte ${end} of ${fileBytes}; fetch the file again in full`)
  }
  return end
}

const NOT_UTF8 = "the header is not UTF-8; write the file again"
const HEADER_FAULTS = {
  notUtf8: NOT_UTF8,
  notJson: "the header is not JSON; write the file again",
  notObject: "the header is not a JSON object; write the file again",
  repeatedKey: (key: string) => `the header holds the key ${JSON.stringify(key)} twice; give every tensor its own name`,
}

function parseHeader(bytes: Uint8Array): object {
  let text: string
  try {
    // The format knows no byte order mark: one that is there stays, and is no JSON.
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new InvalidSafetensors(NOT_UTF8)
  }
  return readJsonObject(text, HEADER_FAULTS, (message) => new InvalidSafetensors(message))
}

function readMetadata(value: unknown): Record<string, string> {
  if (!isRecord(value)) throw new InvalidSafetensors("__metadata__ is not an object; write it as string to string")
  for (const [key, member] of Object.entries(value)) {
    if (typeof member !== "string" || !member.isWellFormed() || !key.isWellFormed()) {
      throw new InvalidSafetensors(`__metadata__ ${JSON.stringify(key)} is no text; write it as string to string`)
    }
  }
  return value as Record<string, string>
}

function readEntry(name: string, value: unknown): Entry {
  const quoted = JSON.stringify(name)
  if (!name.isWellFormed()) throw new InvalidSafetensors(`the tensor name ${quoted} is no valid Unicode; rename it`)
  if (!isRecord(value)) throw new InvalidSafetensors(`tensor ${quoted} is not described by an object`)
  const { dtype, shape, data_offsets: offsets, ...rest } = value
  const unknownField = Object.keys(rest)[0]
  if (unknownField !== undefined) {
    throw new InvalidSafetensors(`tensor ${quoted} has the unknown field ${JSON.stringify(unknownField)}; remove it`)
  }
  if (typeof dtype !== "string" || !Object.hasOwn(BYTES_PER_ELEMENT, dtype)) {
    throw new InvalidSafetensors(
      `tensor ${quoted} has dtype ${JSON.stringify(dtype)}; use one of ${Object.keys(BYTES_PER_ELEMENT).join(", ")}`,
    )
  }
  if (!isSizeList(shape)) throw new InvalidSafetensors(`tensor ${quoted} has no shape of non-negative integers`)
  if (!isSizeList(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    throw new InvalidSafetensors(`tensor ${quoted} needs data_offsets [start, end] with start ≤ end`)
  }
  const [start, end] = offsets as [number, number]
  const needed = byteSize(quoted, dtype as SafetensorsDtype, shape)
  if (end - start !== needed) {
    throw new InvalidSafetensors(
      `tensor ${quoted} has ${end - start} bytes where its shape [${shape}] of ${dtype} needs ${needed}`,
    )
  }
  return { name, dtype: dtype as SafetensorsDtype, shape, start, end }
}

function byteSize(quotedName: string, dtype: SafetensorsDtype, shape: readonly number[]): number {
  let size: number = BYTES_PER_ELEMENT[dtype]
  for (const length of shape) {
    size *= length
    if (!Number.isSafeInteger(size)) {
      throw new InvalidSafetensors(
        `tensor ${quotedName} has shape [${shape}], whose size overflows; no file can hold it`,
      )
    }
  }
  return size
}

/** Sorted entries must follow each other without hole or overlap and end where the file ends. */
function checkCoverage(entries: readonly Entry[], dataBytes: number): void {
  let position = 0
  for (const { name, start, end } of entries) {
    if (start !== position) {
      const fault = start < position ? "overlaps the tensor before it" : "leaves a hole before it"
      throw new InvalidSafetensors(
        `tensor ${JSON.stringify(name)} ${fault} (starts at ${start}, expected ${position}); write the file again`,
      )
    }
    position = end
  }
  if (position > dataBytes) {
    throw new InvalidSafetensors(`tensors need ${position} bytes, the file holds ${dataBytes}; fetch it again in full`)
  }
  if (position < dataBytes) {
    throw new InvalidSafetensors(`${dataBytes - position} bytes follow the last tensor; cut them off`)
  }
}

/** A tensor whose bytes are not needed yet. */
export type TensorDescription = Pick<Tensor, "name" | "dtype" | "shape">

/** What comes before the tensor bytes of a file, and the order in which they must follow without gaps. */
export interface SafetensorsLayout<T extends TensorDescription> {
  readonly head: Uint8Array<ArrayBuffer>
  readonly order: readonly T[]
  /** Bytes of all tensors together. */
  readonly dataBytes: number
}

/**
 * Lays a file out: tensors sorted by dtype alignment (widest first), then by name, metadata by key; the header is padded
 * with spaces to a multiple of 8 so that every tensor starts aligned.
 * Throws InvalidSafetensors on repeated names, names that are no valid Unicode, or shapes whose size overflows.
 */
export function layoutSafetensors<T extends TensorDescription>(
  tensors: Iterable<T>,
  metadata: Record<string, string> = {},
): SafetensorsLayout<T> {
  const order = [...tensors].sort(
    (a, b) => BYTES_PER_ELEMENT[b.dtype] - BYTES_PER_ELEMENT[a.dtype] || compareText(a.name, b.name),
  )
  const entries: [string, unknown][] = []
  const metadataEntries = Object.entries(metadata).sort(([a], [b]) => compareText(a, b))
  if (metadataEntries.length > 0) entries.push(["__metadata__", readMetadata(Object.fromEntries(metadataEntries))])
  const names = new Set(["__metadata__"])
  let position = 0
  for (const { name, dtype, shape } of order) {
    if (names.has(name)) throw new InvalidSafetensors(`two tensors are named ${JSON.stringify(name)}; rename one`)
    names.add(name)
    const end = position + byteSize(JSON.stringify(name), dtype, shape)
    entries.push([name, { dtype, shape, data_offsets: [position, end] }])
    readEntry(name, entries.at(-1)![1])
    position = end
  }
  // Members are joined here because an object would move names like "0" to the front.
  const members = entries.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
  const header = new TextEncoder().encode(`{${members.join(",")}}`)
  const headerBytes = Math.ceil(header.length / 8) * 8
  const head = new Uint8Array(HEADER_LENGTH_BYTES + headerBytes)
  new DataView(head.buffer).setBigUint64(0, BigInt(headerBytes), true)
  head.fill(0x20, HEADER_LENGTH_BYTES)
  head.set(header, HEADER_LENGTH_BYTES)
  return { head, order, dataBytes: position }
}

/** Writes tensors as layoutSafetensors orders them. Equal inputs give equal bytes. Throws InvalidSafetensors also on data that disagrees with its shape. */
export function writeSafetensors(
  tensors: Iterable<Tensor>,
  metadata: Record<string, string> = {},
): Uint8Array<ArrayBuffer> {
  const { head, order, dataBytes } = layoutSafetensors(tensors, metadata)
  const bytes = new Uint8Array(head.length + dataBytes)
  bytes.set(head, 0)
  let position = head.length
  for (const tensor of order) {
    checkTensorBytes(tensor)
    const { data } = tensor
    bytes.set(data, position)
    position += data.byteLength
  }
  return bytes
}

/** Throws InvalidSafetensors where a tensor's data is not of its shape's size. */
export function checkTensorBytes({ name, dtype, shape, data }: Tensor): void {
  const needed = byteSize(JSON.stringify(name), dtype, shape)
  if (data.byteLength === needed) return
  throw new InvalidSafetensors(
    `tensor ${JSON.stringify(name)} has ${data.byteLength} bytes where its shape [${shape}] of ${dtype} needs ${needed}`,
  )
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

function isSizeList(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0 && !Object.is(size, -0))
}
