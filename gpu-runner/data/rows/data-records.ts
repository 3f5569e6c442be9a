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
import { refuseOtherFiles } from "./other-files.ts"
import { readParquetRows } from "./parquet-file.ts"

export type DataRecord =
  | {
      /** Counted from 1. */
      readonly line: number
      /** A JSON line (bytes or text), or what another format held. */
      readonly content: Uint8Array | string | Readonly<Record<string, unknown>>
    }
  /** This row of its container is none; the others are there. */
  | { readonly line: number; readonly fault: string }

/** Reads by the file's suffix; a file of none is taken for JSON Lines. Errors: InvalidDataFile. */
export async function* readRecords(file: string): AsyncGenerator<DataRecord> {
  refuseOtherFiles(file)
  const isZipped = file.endsWith(".gz")
  const name = isZipped ? file.slice(0, -".gz".length) : file
  if (name.endsWith(".parquet")) {
    if (isZipped)
      throw new InvalidDataFile(file, 0, "is a gzipped Parquet file; Parquet compresses by itself, unzip it")
    yield* readParquetRows(file)
  } else if (name.endsWith(".csv")) yield* readCsv(file, isZipped)
  else if (name.endsWith(".json")) yield* readJson(file, isZipped)
  else yield* readLines(file, chunksOf(file, isZipped))
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
const OPENING_BRACKET = 0x5b
const OPENING_BRACE = 0x7b
const MOST_INDENT = 64

/** Lines as bytes, so that broken UTF-8 is noticed and not replaced. Blank lines are skipped. */
async function* readLines(file: string, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<DataRecord> {
  let parts: Uint8Array[] = []
  let line = 1
  let isFirst = true
  const take = (last: Uint8Array): DataRecord | undefined => {
    const bytes = parts.length === 0 ? last : Buffer.concat([...parts, last])
    parts = []
    const said = line === 1 ? withoutByteOrderMark(bytes) : bytes
    const record = said.every(isBlank) ? undefined : { line, content: said }
    if (record !== undefined && isFirst) refuseArray(file, line, said)
    isFirst &&= record === undefined
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

/** An array of records, as exports have it, or one record over several lines; a .json file that is neither holds JSON Lines. */
async function* readJson(file: string, isZipped: boolean): AsyncGenerator<DataRecord> {
  const chunks: Uint8Array[] = []
  for await (const chunk of chunksOf(file, isZipped)) chunks.push(chunk)
  const bytes = Buffer.concat(chunks)
  const first = bytes.find((byte) => byte !== NEWLINE && !isBlank(byte) && !BYTE_ORDER_MARK.includes(byte))
  if (first !== OPENING_BRACKET) {
    const record = bytes.length > MOST_CHARACTERS ? undefined : onlyRecord(bytes)
    if (record !== undefined) {
      yield record
      return
    }
    yield* readLines(
      file,
      (async function* () {
        yield bytes
      })(),
    )
    return
  }
  if (bytes.length > MOST_CHARACTERS) {
    throw new InvalidDataFile(file, 0, "is too large for one JSON array; write JSON Lines, one object a line")
  }
  yield* membersOf(file, decoded(file, 0, bytes))
}

/** A file that is one JSON object as a whole, such as a stored delivery; that of one line is a JSON line as well. */
function onlyRecord(bytes: Uint8Array): DataRecord | undefined {
  try {
    JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))
  } catch {
    return undefined
  }
  return { line: 1, content: bytes }
}

const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf]

const withoutByteOrderMark = (bytes: Uint8Array): Uint8Array =>
  BYTE_ORDER_MARK.every((byte, index) => bytes[index] === byte) ? bytes.subarray(BYTE_ORDER_MARK.length) : bytes

/** An array of objects over several lines would otherwise give those of its members that fill a line. */
function refuseArray(file: string, line: number, bytes: Uint8Array): void {
  const [first, second] = bytes.subarray(0, MOST_INDENT).filter((byte) => !isBlank(byte))
  const isArray = first === OPENING_BRACKET && (second === undefined || second === OPENING_BRACE)
  if (!isArray) return
  throw new InvalidDataFile(file, line, "is a JSON array and no JSON Lines; name it .json, or write one object a line")
}

function* membersOf(file: string, text: string): Generator<DataRecord> {
  let array: readonly unknown[]
  try {
    array = parseRow(text) as readonly unknown[]
  } catch (error) {
    throw new InvalidDataFile(file, 0, `is not JSON (${(error as Error).message}); write one array of objects`)
  }
  // Rarely needed, and as long as the whole text.
  const texts = findDuplicateKey(text) === undefined ? undefined : memberTexts(text)
  for (const [index, value] of array.entries()) {
    const line = index + 1
    const repeated = texts && findDuplicateKey(texts[index]!)
    if (repeated !== undefined) yield { line, fault: `"${repeated}" is there twice in one object; keep one` }
    else if (typeof value !== "object" || value === null || Array.isArray(value)) {
      yield { line, fault: "this member of the array is not an object" }
    } else yield { line, content: value as Readonly<Record<string, unknown>> }
  }
}

/** The texts of the members of an array, which is valid JSON. */
function memberTexts(array: string): readonly string[] {
  const texts: string[] = []
  let depth = 0
  let start = 0
  for (let index = 0; index < array.length; index++) {
    const character = array[index]
    if (character === '"') {
      for (index++; array[index] !== '"'; index++) if (array[index] === "\\") index++
    } else if (character === "[" || character === "{") {
      if (++depth === 1) start = index + 1
    } else if (character === "]" || character === "}") {
      if (--depth === 0) texts.push(array.slice(start, index))
    } else if (character === "," && depth === 1) {
      texts.push(array.slice(start, index))
      start = index + 1
    }
  }
  return texts
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
  if (header.fault !== undefined) throw new InvalidDataFile(file, header.line, header.fault)
  const fault = (line: number, message: string) => new InvalidDataFile(file, line, message)
  const separators = separatorFault(names)
  if (separators !== undefined) throw fault(header.line, separators)
  const twice = names.find((name, index) => name !== "" && names.indexOf(name) !== index)
  if (twice !== undefined) throw fault(header.line, `the column ${JSON.stringify(twice)} is there twice; keep one`)
  for await (const { line, cells, fault: own } of rows) {
    if (own !== undefined) yield { line, fault: own }
    else if (cells.length === names.length) yield { line, content: cellsByName(names, cells) }
    else {
      const sizes = `the row has ${cells.length} cells and the header ${names.length}`
      yield { line, fault: `${sizes}; quote cells that hold commas or line ends` }
    }
  }
}

/** What is no comma or line end where these should be: the whole table is then one column or one row. */
function separatorFault(names: readonly string[]): string | undefined {
  if (names.some((name) => name.includes("\r")))
    return "the rows end with a carriage return alone; save the table with line feeds"
  const [only] = names
  const separator = names.length === 1 ? [";", "\t", "|"].find((sign) => only!.includes(sign)) : undefined
  if (separator === undefined) return undefined
  return `the cells are separated by ${separator === "\t" ? "tabs" : `"${separator}"`}; write the table with commas`
}

/** pandas writes its index as a column without a name. An empty id is none. */
function cellsByName(names: readonly string[], cells: readonly string[]): Readonly<Record<string, string>> {
  const named = names.map((name, index): [string, string] => [name === "" ? "(no name)" : name, cells[index]!])
  return Object.fromEntries(named.filter(([name, cell]) => name !== "id" || cell !== ""))
}

async function* csvRows(file: string, isZipped: boolean) {
  const decoder = new TextDecoder("utf-8", { fatal: true })
  const splitter = new CsvSplitter({ passesOverFaults: true })
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
