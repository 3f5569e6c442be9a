// --data to token rows: every accepted shape of preference record, or supervised rows, from one file or several. A row that cannot be
// trained on is dropped and counted by reason; a record that cannot be understood is an error that names its file and line.
import { canonicalJson } from "#shared/formats/digest.ts"
import { weightOfStrength } from "#shared/judgement/derive-pairs.ts"
import {
  InvalidPreferenceRow,
  type PreferenceRecord,
  type PreferenceRow,
  parsePreferenceRecord,
  type UnpairedRow,
} from "#shared/judgement/preference-rows.ts"
import type { FormOptions } from "#shared/judgement/sources/annotation.ts"
import { definitionOf, type Method } from "#shared/methods/methods.ts"
import {
  ChatTemplateRefused,
  type DroppedText,
  PairOverLength,
  type ResponseText,
  type Tokenisation,
  type TokenisationPolicy,
} from "#shared/tokenisation/tokenisation.ts"
import { InvalidDataFile } from "../errors.ts"
import { fileDigest, sha256 } from "../files.ts"
import { type DataRecord, readRecords } from "./data-records.ts"
import { findDataFiles } from "./data-source.ts"
import { parseLine } from "./json-lines.ts"
import { isSupervised, parseSupervisedRow } from "./supervised-rows.ts"
import type { TokenRow } from "./token-rows.ts"

export interface DroppedRow {
  readonly file: string
  readonly line: number
  readonly reason: string
  /** Says what is wrong and the mend, where more is known than the reason. */
  readonly detail?: string | undefined
}

export interface DataRows {
  readonly rows: readonly TokenRow[]
  readonly dropped: readonly DroppedRow[]
  /** SHA-256 of the file; of the files' digests in order where there are several. */
  readonly digest: string
}

export interface DataFileOptions extends TokenisationPolicy {
  /**
   * `pairs` need both responses. `responses` takes supervised rows, the chosen response of pairs, and unpaired rows that are wanted.
   * `unpaired` takes labelled rows beside pairs, which stay pairs: a method that judges single responses parts them itself.
   */
  readonly kind: DataKind
  /** A pair's weight is its strength / 3, where the data has one; false: 1 */
  readonly strengthAsWeight?: boolean | undefined
  /** Which fields and controls of a labelling tool's form are meant. */
  readonly form?: FormOptions | undefined
}

export type DataKind = "pairs" | "responses" | "unpaired"

/** What rows a training method takes. */
export function dataKindOf(method: Method): DataKind {
  return definitionOf(method).rows
}

/** A row as its record states it, not tokenised yet. */
interface StatedRow {
  readonly id: string
  readonly content: unknown
  readonly tokenise: () => TokenRow | DroppedText
}

/** A part of a record that gives no row. */
interface DroppedRecord {
  readonly reason: string
  readonly field?: string
  readonly detail: string
}

interface Refused {
  readonly _tag: "Dropped"
  readonly reason: string
  readonly detail?: string | undefined
}

interface Reading {
  readonly file: string
  readonly tokenisation: Tokenisation
  readonly options: DataFileOptions
}

/** Reads a source: a file, a folder, or a pattern. Errors: InvalidDataFile, InvalidTokenizer, PairOverLength (policy "error"). */
export async function readDataFile(
  source: string,
  tokenisation: Tokenisation,
  options: DataFileOptions,
): Promise<DataRows> {
  const files = findDataFiles(source)
  const collector = new RowCollector()
  for (const file of files) {
    for await (const record of readRecords(file)) {
      const { rows, dropped } = await statedRows({ file, tokenisation, options }, record)
      for (const { reason, field, detail } of dropped) {
        collector.drop(file, record.line, reason, field === undefined ? detail : `${field} ${detail}`)
      }
      for (const row of rows) collector.add(file, record.line, row)
    }
  }
  const digests = files.map(fileDigest)
  const digest = digests.length === 1 ? digests[0]! : sha256(digests.join("\n"))
  return { rows: collector.rows, dropped: collector.dropped, digest }
}

/** How many rows were dropped for each reason. */
export function countReasons(dropped: readonly { readonly reason: string }[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { reason } of dropped) counts[reason] = (counts[reason] ?? 0) + 1
  return counts
}

/** Tokenised rows, each id once. */
class RowCollector {
  readonly rows: TokenRow[] = []
  readonly dropped: DroppedRow[] = []
  readonly #seen = new Map<string, { readonly file: string; readonly line: number; readonly contentDigest: string }>()

  drop(file: string, line: number, reason: string, detail?: string): void {
    this.dropped.push({ file, line, reason, detail })
  }

  add(file: string, line: number, row: StatedRow): void {
    const contentDigest = sha256(canonicalJson(row.content))
    const earlier = this.#seen.get(row.id)
    const place = earlier && (earlier.file === file ? `line ${earlier.line}` : `${earlier.file}:${earlier.line}`)
    if (earlier?.contentDigest === contentDigest) {
      this.drop(file, line, "duplicate", `the row stands at ${place} already`)
    } else if (earlier) {
      const fault = `id ${JSON.stringify(row.id)} belongs to another row at ${place}; give every row its own id`
      throw new InvalidDataFile(file, line, fault)
    } else {
      this.#seen.set(row.id, { file, line, contentDigest })
      const tokenised = tokeniseAt(file, line, row)
      if ("_tag" in tokenised) this.drop(file, line, tokenised.reason, tokenised.detail)
      else this.rows.push(tokenised)
    }
  }
}

function tokeniseAt(file: string, line: number, row: StatedRow): TokenRow | Refused {
  try {
    return row.tokenise()
  } catch (error) {
    if (error instanceof PairOverLength) throw new PairOverLength(`${file}:${line}: ${error.message}`)
    if (!(error instanceof ChatTemplateRefused)) throw error
    return { _tag: "Dropped", reason: "template-refused", detail: error.message }
  }
}

async function statedRows(
  reading: Reading,
  record: DataRecord,
): Promise<{ readonly rows: readonly StatedRow[]; readonly dropped: readonly DroppedRecord[] }> {
  const { file, options } = reading
  try {
    if (options.kind === "responses") {
      const { content } = record
      const fields = content instanceof Uint8Array ? parseLine(file, { line: record.line, bytes: content }) : content
      if (isSupervised(fields)) return { rows: [supervisedRow(reading, fields)], dropped: [] }
    }
    const parsed = await parsePreferenceRecord(record.content, options.form)
    return rowsOf(reading, parsed)
  } catch (error) {
    if (error instanceof InvalidPreferenceRow) throw new InvalidDataFile(file, record.line, error.message)
    throw error
  }
}

function rowsOf(reading: Reading, { pairs, unpaired, dropped }: PreferenceRecord) {
  const { kind } = reading.options
  if (kind === "pairs") {
    if (unpaired.length > 0) {
      throw new InvalidPreferenceRow(
        "label",
        "is of an unpaired row, which training with method kto alone reads; give pairs",
      )
    }
    return { rows: pairs.map((pair) => pairRow(reading, pair)), dropped }
  }
  if (kind === "responses") {
    const chosen = pairs.map((pair) => responseRow(reading, pair.id, sideOf(pair, "chosen")))
    const wanted = unpaired.filter(({ label }) => label)
    const others = unpaired.length - wanted.length
    const unwanted = Array.from({ length: others }, () => ({ reason: "unwanted", detail: "a response labelled false" }))
    const rows = wanted.map((row) => responseRow(reading, row.id, completionOf(row)))
    return { rows: [...chosen, ...rows], dropped: [...dropped, ...unwanted] }
  }
  const labelled = unpaired.map((row) => responseRow(reading, row.id, completionOf(row), row.label))
  return { rows: [...pairs.map((pair) => pairRow(reading, pair)), ...labelled], dropped }
}

function pairRow({ tokenisation, options }: Reading, { id, strength, ...text }: PreferenceRow): StatedRow {
  return {
    id,
    content: text,
    tokenise: () => {
      const tokenised = tokenisation.tokenisePair(text, options)
      if (tokenised._tag === "Dropped") return tokenised
      const { promptIds, chosenIds, rejectedIds } = tokenised
      const weight = options.strengthAsWeight === true && strength !== undefined ? weightOfStrength(strength) : 1
      return { id, promptIds, chosenIds, rejectedIds, weight }
    },
  }
}

function responseRow(
  { tokenisation, options }: Reading,
  id: string,
  text: ResponseText,
  label?: boolean | undefined,
): StatedRow {
  return {
    id,
    content: label === undefined ? text : { ...text, label },
    tokenise: () => {
      const tokenised = tokenisation.tokeniseResponse(text, options)
      if (tokenised._tag === "Dropped") return tokenised
      const { promptIds, responseIds } = tokenised
      const row = { id, promptIds, chosenIds: responseIds, rejectedIds: new Uint32Array(0), weight: 1 }
      return label === undefined ? row : { ...row, label }
    },
  }
}

function supervisedRow(reading: Reading, fields: Readonly<Record<string, unknown>>): StatedRow {
  const { id, text } = parseSupervisedRow(fields)
  return responseRow(reading, id ?? `sha256:${sha256(canonicalJson(text))}`, text)
}

function sideOf(pair: PreferenceRow, side: "chosen" | "rejected"): ResponseText {
  if (typeof pair.prompt === "string") return { prompt: pair.prompt, response: pair[side] as string }
  const { tools } = pair as { readonly tools?: readonly unknown[] }
  return { prompt: pair.prompt, response: pair[side] as Exclude<typeof pair.chosen, string>, tools }
}

function completionOf(row: UnpairedRow): ResponseText {
  if (typeof row.prompt === "string") return { prompt: row.prompt, response: row.completion as string }
  const { tools } = row as { readonly tools?: readonly unknown[] }
  return { prompt: row.prompt, response: row.completion as Exclude<typeof row.completion, string>, tools }
}
