// A data source as the lines of bulk uploads, which are comparisons: what each row of any shape and container states, or the API's
// own comparisons as they are. Always the same lines for the same source.
import { type DataRecord, readRecords } from "#gpu-runner/data/rows/data-records.ts"
import { findDataFiles } from "#gpu-runner/data/rows/data-source.ts"
import { type DataReadingOptions, PreferenceFile } from "#gpu-runner/data/rows/preference-file.ts"
import type { Place } from "#gpu-runner/data/rows/stated-record.ts"
import { BOUNDS } from "#shared/domain/bounds.ts"
import { MAX_PAIRS_PER_COMPARISON } from "#shared/judgement/derive-pairs.ts"
import { type Sendable, sendableComparisons, type TakenBack } from "#shared/judgement/sent-comparisons.ts"
import { LIMITS } from "#shared/wire/limits.ts"

/** A chunk ends with the line that brings it to this size; the gateway takes 32 MiB. */
const CHUNK_BYTES = 4 * 1024 * 1024

export type ImportFormat = "rows" | "comparisons"

/** One line to send, or why its record cannot be sent. */
export type ImportLine =
  | { readonly place: Place; readonly bytes: Uint8Array }
  | { readonly place: Place; readonly fault: string }
  | { readonly place: Place; readonly retraction: TakenBack }

/** How a source is to be imported. */
export interface ImportReading extends DataReadingOptions {
  /** Where the records come from: their ids are names within it. */
  readonly origin?: string | undefined
}

/** What is found beside the lines while they are read. */
export interface ImportFindings {
  records: number
  /** Parts of records that state no pair, by reason. */
  readonly dropped: Record<string, number>
  readonly unread: Set<string>
}

export const noFindings = (): ImportFindings => ({ records: 0, dropped: {}, unread: new Set() })

const encoder = new TextEncoder()

/** Errors: InvalidDataFile. */
export async function* importLines(
  source: string,
  format: ImportFormat,
  options: ImportReading,
  findings: ImportFindings,
): AsyncGenerator<ImportLine> {
  if (format === "rows") yield* rowLines(new PreferenceFile(source, options), findings, options.origin)
  else yield* comparisonLines(source, findings)
}

/** Reads the source without sending anything. Errors: InvalidDataFile, also where too many of its rows are bad. */
export async function checkImport(source: string, options: DataReadingOptions): Promise<void> {
  const file = new PreferenceFile(source, options)
  for await (const _ of rowLines(file, noFindings()));
  file.check()
}

/** The names under which what has an id is stored; a name of the content is the same wherever it comes from. */
function within(origin: string | undefined, sendable: Sendable): Sendable {
  if (origin === undefined || "fault" in sendable) return sendable
  const nameOf = (id: string) => (/^sha256:[0-9a-f]{64}$/.test(id) ? id : `${origin}/${id}`)
  if ("externalId" in sendable) return { ...sendable, externalId: nameOf(sendable.externalId) }
  const { comparison } = sendable
  return { ...sendable, comparison: { ...comparison, externalId: nameOf(comparison.externalId) } }
}

async function* rowLines(file: PreferenceFile, findings: ImportFindings, origin?: string): AsyncGenerator<ImportLine> {
  let told = 0
  const faults = function* (): Generator<ImportLine> {
    for (; told < file.badRows.length; told++) {
      const { detail = "", ...place } = file.badRows[told]!
      yield { place, fault: detail }
    }
  }
  for await (const record of file.records(false)) {
    findings.records = file.rowCount
    const { stated, ...place } = record
    for (const name of stated.unread) findings.unread.add(name)
    if ("supervised" in stated) continue
    for (const { reason } of stated.dropped) countDropped(findings, reason, 1)
    yield* faults()
    for (const found of await sendableComparisons(stated)) {
      const sendable = within(origin, found)
      if ("fault" in sendable) yield { place, fault: sendable.fault }
      else if ("externalId" in sendable) {
        if (sendable.externalId.length <= BOUNDS.identifier) yield { place, retraction: sendable }
      } else {
        countDropped(findings, OMITTED, sendable.omittedPairs)
        yield { place, bytes: encoder.encode(JSON.stringify(sendable.comparison)) }
      }
    }
  }
  findings.records = file.rowCount
  yield* faults()
}

/** Pairs of one judgement that the service does not keep. */
const OMITTED = `beyond ${MAX_PAIRS_PER_COMPARISON} pairs of a judgement`

function countDropped({ dropped }: ImportFindings, reason: string, count: number): void {
  if (count > 0) dropped[reason] = (dropped[reason] ?? 0) + count
}

async function* comparisonLines(source: string, findings: ImportFindings): AsyncGenerator<ImportLine> {
  for (const file of findDataFiles(source)) {
    for await (const record of readRecords(file)) {
      const place = { file, line: record.line, row: ++findings.records }
      yield "fault" in record ? { place, fault: record.fault } : { place, bytes: bytesOf(record) }
    }
  }
}

function bytesOf({ content }: Exclude<DataRecord, { readonly fault: string }>): Uint8Array {
  if (content instanceof Uint8Array) return content
  if (typeof content === "string") return encoder.encode(content)
  // A table's 64-bit integer, which JSON readers would round.
  return encoder.encode(JSON.stringify(content, (_, value) => (typeof value === "bigint" ? String(value) : value)))
}

export interface Chunk {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** Where each line comes from. */
  readonly places: readonly Place[]
  /** Lines before this chunk. */
  readonly linesBefore: number
  /** Records since the last chunk that cannot be sent. */
  readonly faults: readonly { readonly place: Place; readonly fault: string }[]
  /** What is taken back. A name is either taken back or said: their order makes no difference. */
  readonly retractions: readonly TakenBack[]
}

/** Said here: of a body that is too large the gateway cannot say which line made it so. */
const tooLong = (bytes: number): string =>
  `takes ${bytes} bytes as one line, and the gateway takes ${LIMITS.lineBytes}; shorten its texts`

/** Whole lines, as many as one upload takes. */
export async function* chunksOf(lines: AsyncIterable<ImportLine>): AsyncGenerator<Chunk> {
  let parts: Uint8Array[] = []
  let places: Place[] = []
  let faults: { place: Place; fault: string }[] = []
  let retractions: TakenBack[] = []
  let size = 0
  let linesBefore = 0
  const take = (): Chunk => {
    const chunk = { bytes: new Uint8Array(Buffer.concat(parts)), places, linesBefore, faults, retractions }
    linesBefore += places.length
    ;[parts, places, faults, retractions, size] = [[], [], [], [], 0]
    return chunk
  }
  for await (const line of lines) {
    if ("fault" in line) {
      faults.push(line)
      continue
    }
    if ("retraction" in line) {
      retractions.push(line.retraction)
      if (retractions.length >= LIMITS.retractedAtOnce) yield take()
      continue
    }
    if (line.bytes.length > LIMITS.lineBytes) {
      faults.push({ place: line.place, fault: tooLong(line.bytes.length) })
      continue
    }
    parts.push(line.bytes, NEWLINE)
    places.push(line.place)
    size += line.bytes.length + 1
    if (size >= CHUNK_BYTES || places.length >= LIMITS.bulkLines) yield take()
  }
  if (places.length + faults.length + retractions.length > 0) yield take()
}

const NEWLINE = Uint8Array.of(0x0a)
