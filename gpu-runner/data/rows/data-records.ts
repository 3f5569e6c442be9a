// The records of a data file, one after another: JSON Lines, a JSON array, CSV, each also gzipped, and Parquet. Lines and row groups
// are held one at a time; only a JSON array is held whole. Faults name the file and the line (of a row in an array or a table: its
// number, counted from 1).
import { createReadStream } from "node:fs"
import { createGunzip } from "node:zlib"
import { findDuplicateKey } from "#shared/formats/json-object.ts"
import { CsvSplitter, InvalidCsv } from "#shared/formats/tables/csv.ts"
import { parseRow } from "#shared/tokenisation/exact-json.ts"
import { InvalidDataFile } from "../errors.ts"
import { isBlank } from "./json-lines.ts"
import { readParquetRows } from "./parquet-file.ts"

export interface DataRecord {
  /** Counted from 1. */
  readonly line: number
  /** The bytes of a JSON line, or what another format held. */
  readonly content: Uint8Array | Readonly<Record<string, unknown>>
}

/** Reads by the file's suffix; a file of none is taken for JSON Lines. Errors: InvalidDataFile. */
export async function* readRecords(file: string): AsyncGenerator<DataRecord> {
  const isZipped = file.endsWith(".gz")
  const name = isZipped ? file.slice(0, -".gz".length) : file
  if (name.endsWith(".parquet")) {
    if (isZipped)
      throw new InvalidDataFile(file, 0, "is a gzipped Parquet file; Parquet compresses by itself, unzip it")
    yield* readParquetRows(file)
  } else if (name.endsWith(".csv")) yield* readCsv(file, isZipped)
  else if (name.endsWith(".json")) yield* readJson(file, isZipped)
  else yield* readLines(chunksOf(file, isZipped))
}

async function* chunksOf(file: string, isZipped: boolean): AsyncGenerator<Uint8Array> {
  const source = createReadStream(file, { highWaterMark: 1 << 20 })
  const stream = isZipped ? source.pipe(createGunzip()) : source
  if (isZipped) source.on("error", (error) => stream.destroy(error))
  try {
    yield* stream as AsyncIterable<Uint8Array>
  } catch (error) {
    if (!isZipped) throw error
    throw new InvalidDataFile(file, 0, `is no whole gzip file (${(error as Error).message}); compress it again`)
  } finally {
    source.destroy()
  }
}

const NEWLINE = 0x0a

/** Lines as bytes, so that broken UTF-8 is noticed and not replaced. Blank lines are skipped. */
async function* readLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<DataRecord> {
  let parts: Uint8Array[] = []
  let line = 1
  const take = (last: Uint8Array): DataRecord | undefined => {
    const bytes = parts.length === 0 ? last : Buffer.concat([...parts, last])
    parts = []
    const record = bytes.every(isBlank) ? undefined : { line, content: bytes }
    line++
    return record
  }
  for await (const chunk of chunks) {
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      const record = take(chunk.subarray(start, end))
      if (record) yield record
      start = end + 1
    }
    if (start < chunk.length) parts.push(chunk.subarray(start))
  }
  const record = take(new Uint8Array())
  if (record) yield record
}

// What V8 can hold as one string.
const MOST_CHARACTERS = 2 ** 29 - 24

/** An array of records, as exports have it; a .json file that starts otherwise is JSON Lines under another name. */
async function* readJson(file: string, isZipped: boolean): AsyncGenerator<DataRecord> {
  const chunks: Uint8Array[] = []
  for await (const chunk of chunksOf(file, isZipped)) chunks.push(chunk)
  const bytes = Buffer.concat(chunks)
  const first = bytes.find((byte) => byte !== NEWLINE && !isBlank(byte) && !BYTE_ORDER_MARK.includes(byte))
  if (first !== "[".charCodeAt(0)) {
    yield* readLines(
      (async function* () {
        yield bytes
      })(),
    )
    return
  }
  if (bytes.length > MOST_CHARACTERS) {
    throw new InvalidDataFile(file, 0, "is too large for one JSON array; write JSON Lines, one object a line")
  }
  const array = parseArray(file, decoded(file, 0, bytes))
  for (const [index, value] of array.entries()) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new InvalidDataFile(file, index + 1, "this member of the array is not an object")
    }
    yield { line: index + 1, content: value as Readonly<Record<string, unknown>> }
  }
}

const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf]

function parseArray(file: string, text: string): readonly unknown[] {
  let value: unknown
  try {
    value = parseRow(text)
  } catch (error) {
    throw new InvalidDataFile(file, 0, `is not JSON (${(error as Error).message}); write one array of objects`)
  }
  const duplicate = findDuplicateKey(text)
  if (duplicate !== undefined)
    throw new InvalidDataFile(file, 0, `"${duplicate}" is there twice in one object; keep one`)
  return value as readonly unknown[]
}

function decoded(file: string, line: number, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch {
    throw new InvalidDataFile(file, line, "the file is not UTF-8; save it as UTF-8")
  }
}

/** A table of text whose first row names the columns. */
async function* readCsv(file: string, isZipped: boolean): AsyncGenerator<DataRecord> {
  const rows = csvRows(file, isZipped)
  const { value: header } = await rows.next()
  if (header === undefined) return
  const names: readonly string[] = header.cells
  const fault = (line: number, message: string) => new InvalidDataFile(file, line, message)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw fault(header.line, `the column ${JSON.stringify(twice)} is there twice; keep one`)
  if (names.includes("")) {
    throw fault(
      header.line,
      "a column has no name (pandas writes one for its index; use index=False); name or remove it",
    )
  }
  for await (const { line, cells } of rows) {
    if (cells.length !== names.length) {
      throw fault(
        line,
        `the row has ${cells.length} cells and the header ${names.length}; quote cells that hold commas or line ends`,
      )
    }
    yield { line, content: Object.fromEntries(names.map((name, index) => [name, cells[index]!])) }
  }
}

async function* csvRows(file: string, isZipped: boolean) {
  const decoder = new TextDecoder("utf-8", { fatal: true })
  const splitter = new CsvSplitter()
  const decode = (bytes?: Uint8Array) => {
    try {
      return decoder.decode(bytes, { stream: bytes !== undefined })
    } catch {
      throw new InvalidDataFile(file, 0, "the file is not UTF-8; save it as UTF-8")
    }
  }
  try {
    for await (const chunk of chunksOf(file, isZipped)) yield* splitter.push(decode(chunk))
    yield* splitter.push(decode())
    const last = splitter.end()
    if (last) yield last
  } catch (error) {
    throw error instanceof InvalidCsv ? new InvalidDataFile(file, error.line, error.message) : error
  }
}
