// Parquet tables, as the hub keeps data sets: one row group in memory at a time. Snappy is hyparquet's own; gzip, brotli and zstd are
// Node's. A null is an absent field, as tables write it for what a row does not have. What no JSON value can hold stays as it is, a bigint
// or bytes, and is refused where something reads it: most columns are read by nobody.
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib"
import {
  asyncBufferFromFile,
  type Compressors,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
} from "hyparquet"
import { InvalidDataFile } from "../errors.ts"

const COMPRESSORS: Compressors = {
  GZIP: (bytes) => gunzipSync(bytes),
  BROTLI: (bytes) => brotliDecompressSync(bytes),
  ZSTD: (bytes) => zstdDecompressSync(bytes),
}

const READABLE = ["UNCOMPRESSED", "SNAPPY", ...Object.keys(COMPRESSORS)]

export interface ParquetRow {
  /** Counted from 1. */
  readonly line: number
  readonly content: Readonly<Record<string, unknown>>
}

/** The rows as plain objects. Errors: InvalidDataFile. */
export async function* readParquetRows(file: string): AsyncGenerator<ParquetRow> {
  const opened = await reading(file, async () => {
    const buffer = await asyncBufferFromFile(file)
    return { buffer, metadata: await parquetMetadataAsync(buffer) }
  })
  refuseUnknownCodecs(file, opened.metadata)
  const floats = printedFloats(opened.metadata)
  let rowStart = 0
  for (const group of opened.metadata.row_groups) {
    const rowEnd = rowStart + Number(group.num_rows)
    const options = { file: opened.buffer, metadata: opened.metadata, rowStart, rowEnd }
    const rows = await reading(file, () =>
      // Text stays bytes here, since hyparquet would replace what is not UTF-8.
      parquetReadObjects({ ...options, compressors: COMPRESSORS, utf8: false, parsers: { stringFromBytes: keep } }),
    )
    for (const [index, row] of rows.entries()) {
      const line = rowStart + index + 1
      yield { line, content: plain(row, floats) as Readonly<Record<string, unknown>> }
    }
    rowStart = rowEnd
  }
}

function keep(bytes: Uint8Array): Uint8Array {
  return bytes
}

async function reading<T>(file: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    throw new InvalidDataFile(
      file,
      0,
      `is no Parquet file that can be read (${(error as Error).message}); fetch it again`,
    )
  }
}

function refuseUnknownCodecs(file: string, metadata: FileMetaData): void {
  const codecs = metadata.row_groups.flatMap(({ columns }) => columns.map((column) => column.meta_data?.codec))
  const unknown = codecs.find((codec) => codec !== undefined && !READABLE.includes(codec))
  if (unknown === undefined) return
  throw new InvalidDataFile(file, 0, `is compressed with ${unknown}; write it again with snappy, gzip, brotli or zstd`)
}

/** Names that the format puts between a list and its members. */
const LIST_LEVELS = new Set(["list", "element", "item", "array", "bag", "array_element"])
const PRINTED = /(?:^|\.)(?:tools|tool_calls)\./

/** Paths of the floating-point columns inside of tools and tool calls, which templates print: as Python does, 1.0 and not 1. */
function printedFloats({ schema }: FileMetaData): ReadonlySet<string> {
  const floats = new Set<string>()
  let at = 1
  const visit = (path: string): void => {
    const { name, type, num_children: children = 0 } = schema[at++]!
    const own = LIST_LEVELS.has(name) ? path : path === "" ? name : `${path}.${name}`
    if ((type === "DOUBLE" || type === "FLOAT") && PRINTED.test(own)) floats.add(own)
    for (let child = 0; child < children; child++) visit(own)
  }
  while (at < schema.length) visit("")
  return floats
}

const { rawJSON } = JSON as unknown as { readonly rawJSON: (text: string) => unknown }

/** A whole number as Python prints a float. */
const floatText = (value: number): string => {
  if (Math.abs(value) >= 1e16) return value.toExponential()
  return Object.is(value, -0) ? "-0.0" : `${value}.0`
}

/** Values as JSON has them, where it can. A null member of an object is left out, one of a list stays. */
function plain(value: unknown, floats: ReadonlySet<string>, path = ""): unknown {
  if (typeof value === "bigint") return BigInt(Number(value)) === value ? Number(value) : value
  if (typeof value === "number") return Number.isInteger(value) && floats.has(path) ? rawJSON(floatText(value)) : value
  if (value instanceof Uint8Array) {
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(value)
    } catch {
      return value
    }
  }
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return value.map((member) => plain(member ?? null, floats, path))
  if (typeof value !== "object" || value === null) return value
  const members = Object.entries(value).filter(([, member]) => member !== null && member !== undefined)
  const pathOf = (name: string) => (path === "" ? name : `${path}.${name}`)
  return Object.fromEntries(members.map(([name, member]) => [name, plain(member, floats, pathOf(name))]))
}
