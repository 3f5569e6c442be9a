// The records of a data source, one after another, as what they state: whatever reads preferences (train, score, eval, import, data
// check) reads them here. A record that cannot be used is left out and counted; only too many of them end the reading. Stored bodies of
// a labelling tool's webhook are settled first, in every command: what a later one takes back is not learnt.
import { TRAIN_DATA_DEFAULTS } from "#shared/domain/TrainData.ts"
import {
  InvalidPreferenceRow,
  parsePreferenceRecord,
  type RecordOptions,
  readableFields,
} from "#shared/judgement/preference-rows.ts"
import { InvalidDataFile } from "../errors.ts"
import { type DataRecord, readRecords } from "./data-records.ts"
import { findDataFiles } from "./data-source.ts"
import { RecordNames } from "./row-names.ts"
import type { DroppedRow, Place, StatedRecord } from "./stated-record.ts"
import { type DeliverySource, deliverySourceOf, readDeliveries, type TakenBack } from "./stored-deliveries.ts"
import { isSupervised, parseSupervisedRow } from "./supervised-rows.ts"

/** Of the rows, the largest share that may be unusable. */
export const DEFAULT_MAX_BAD_SHARE: number = TRAIN_DATA_DEFAULTS.maxBadShare

/** Why a row that cannot be understood was left out. */
export const BAD_ROW = "bad-row"

export interface DataReadingOptions extends RecordOptions {
  readonly maxBadShare?: number | undefined
}

/** Faults that a summary names. */
const NAMED_FAULTS = 20

/** One reading of a source; `badRows` and `unread` grow while `records` is read. */
export class PreferenceFile {
  readonly files: readonly string[]
  readonly badRows: DroppedRow[] = []
  /** Fields that nobody read. */
  readonly unread = new Set<string>()
  rowCount = 0
  /** Where the source is stored deliveries: what each takes back. */
  takenBack: TakenBack[] | undefined
  #hasRecord = false
  readonly #names = new RecordNames()
  readonly #source: string
  readonly #options: DataReadingOptions

  /** Errors: InvalidDataFile when there is no such source. */
  constructor(source: string, options: DataReadingOptions) {
    this.files = findDataFiles(source)
    this.#source = source
    this.#options = options
  }

  /** The records that can be used. `withSupervised`: also prompts with one response and no judgement. Errors: InvalidDataFile. */
  async *records(withSupervised: boolean): AsyncGenerator<StatedRecord> {
    for (const file of this.files) {
      for await (const record of readRecords(file)) {
        const place = { file, line: record.line, row: ++this.rowCount }
        if (!this.#hasRecord) {
          const source = deliverySourceIn(record, this.#options)
          if (source !== undefined) return yield* this.deliveries(source)
        }
        const stated = await this.#tried(place, async () => {
          const read = await statedBy(record, this.#options, withSupervised)
          this.#names.claim(place, read)
          return read
        })
        this.#hasRecord ||= stated !== undefined || isRecord(record)
        if (stated === undefined) continue
        if ("faults" in stated) this.#refuseParts(place, stated.faults ?? [])
        for (const name of stated.unread) this.unread.add(name)
        yield { ...place, stated }
      }
    }
  }

  /** As records, of stored deliveries. Errors: InvalidDataFile. */
  async *deliveries(source: DeliverySource): AsyncGenerator<StatedRecord> {
    this.rowCount = 0
    this.badRows.length = 0
    this.#hasRecord = true
    this.takenBack = []
    yield* readDeliveries(this, source, this.#options.form ?? {}, this.takenBack)
  }

  /** What `read` gives; undefined for a row that is bad, which is counted. */
  async #tried<T>(place: Place, read: () => Promise<T>): Promise<T | undefined> {
    try {
      return await read()
    } catch (error) {
      if (!(error instanceof InvalidPreferenceRow)) throw error
      this.refuse(place, error.message)
      return undefined
    }
  }

  /** Counts a row of which some judgements cannot be used as bad, once; the others are there. */
  #refuseParts(place: Place, [first, ...more]: readonly InvalidPreferenceRow[]): void {
    if (first === undefined) return
    const others = more.length === 0 ? "" : ` (and ${more.length} more of the row's judgements cannot be used)`
    this.refuse(place, `${first.message}${others}`)
  }

  /** Counts a row as bad. */
  refuse({ file, line, row }: Place, detail: string): void {
    this.badRows.push({ file, line, row, reason: BAD_ROW, detail })
  }

  /** Of a source that was read, whether too many records were bad, in words. */
  excess(): string | undefined {
    const { maxBadShare = DEFAULT_MAX_BAD_SHARE } = this.#options
    const bad = this.badRows.length
    if (bad === 0 || bad <= maxBadShare * this.rowCount) return undefined
    const rows = this.rowCount === 1 ? "row" : "rows"
    return `${bad} of ${this.rowCount} ${rows} cannot be used, more than maxBadShare (${maxBadShare}) allows`
  }

  /** To be called when all records are read. Errors: InvalidDataFile where not one of them is a record, whatever it would state. */
  checkKind(): void {
    const [first] = this.badRows
    if (this.#hasRecord || first === undefined) return
    const where = `${first.file}:${first.line}: ${first.detail}`
    throw new InvalidDataFile(
      this.#source,
      0,
      `is no data file, since no row of it can be read (the first: ${where}); give JSON Lines, JSON, CSV or Parquet`,
    )
  }

  /** To be called when all records are read. Errors: InvalidDataFile where too many of them were bad. */
  check(): void {
    const excess = this.excess()
    if (excess !== undefined) {
      throw new InvalidDataFile(this.#source, 0, `${excess}: ${describeFaults(this.badRows)}`)
    }
  }
}

/** Whether a row that cannot be used is one at all: a row of an array or a table, or a line that is a JSON object. */
function isRecord(record: DataRecord): boolean {
  if ("fault" in record) return true
  const { content } = record
  if (typeof content !== "string" && !(content instanceof Uint8Array)) return true
  try {
    const value: unknown = JSON.parse(typeof content === "string" ? content : new TextDecoder().decode(content))
    return typeof value === "object" && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}

/** Each fault once, with the first row that has it. */
function describeFaults(badRows: readonly DroppedRow[]): string {
  const groups = [...Map.groupBy(badRows, ({ detail }) => detail).values()]
  const named = groups.slice(0, NAMED_FAULTS).map((rows) => {
    const { file, line, detail } = rows[0]!
    const others = rows.length - 1
    return `${file}:${line}: ${detail}${others === 0 ? "" : ` (and ${others} more such)`}`
  })
  const more = groups.length - named.length
  return [...named, ...(more > 0 ? [`${more} faults more`] : [])].join(" | ")
}

function deliverySourceIn(record: DataRecord, options: DataReadingOptions): DeliverySource | undefined {
  try {
    return "fault" in record ? undefined : deliverySourceOf(readableFields(record.content, options).fields)
  } catch (error) {
    if (error instanceof InvalidPreferenceRow) return undefined
    throw error
  }
}

const AMONG_OTHERS =
  "is a stored delivery of a webhook among other rows; keep deliveries in files of their own, since a later one may take back what an earlier one says"

async function statedBy(record: DataRecord, options: DataReadingOptions, withSupervised: boolean) {
  if ("fault" in record) throw new InvalidPreferenceRow("", record.fault)
  const { fields, unread } = readableFields(record.content, options)
  const isDelivery = options.columns === undefined && deliverySourceOf(fields) !== undefined
  if (isDelivery) throw new InvalidPreferenceRow("", AMONG_OTHERS)
  if (withSupervised && isSupervised(fields)) {
    const supervised = parseSupervisedRow(fields, options.strict)
    return { supervised, unread: [...unread, ...supervised.unread] }
  }
  const { form, strict } = options
  const stated = await parsePreferenceRecord(fields, { form, strict })
  return { ...stated, unread: [...unread, ...stated.unread] }
}
