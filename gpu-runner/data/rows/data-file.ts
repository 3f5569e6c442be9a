// --data to token rows: every accepted shape of preference record, or supervised rows, from one file or several. A row that cannot be
// trained on is dropped and counted by reason, and so is one that cannot be understood, as long as they are few.
import { canonicalJson } from "#shared/formats/digest.ts"
import { weightOfStrength } from "#shared/judgement/derive-pairs.ts"
import {
  InvalidPreferenceRow,
  type PreferenceRecord,
  type PreferenceRow,
  responseFault,
  type UnpairedRow,
} from "#shared/judgement/preference-rows.ts"
import { definitionOf, type Method } from "#shared/methods/methods.ts"
import {
  ChatTemplateRefused,
  type DroppedText,
  PairOverLength,
  type ResponseText,
  type Tokenisation,
  type TokenisationPolicy,
} from "#shared/tokenisation/tokenisation.ts"
import { fileDigest, sha256 } from "../files.ts"
import { type DataReadingOptions, PreferenceFile } from "./preference-file.ts"
import { RowContents } from "./row-names.ts"
import type { DroppedRow, Place, StatedRecord } from "./stated-record.ts"
import type { SupervisedRow } from "./supervised-rows.ts"
import type { TokenRow } from "./token-rows.ts"

export type { DroppedRow }

export interface DataRows {
  readonly rows: readonly TokenRow[]
  readonly dropped: readonly DroppedRow[]
  /** Fields that nobody read. */
  readonly unread: readonly string[]
  /** SHA-256 of the file; of the files' digests in order where there are several; with the columns and the form where they are named. */
  readonly digest: string
}

export interface DataFileOptions extends TokenisationPolicy, DataReadingOptions {
  /**
   * `pairs` need both responses. `responses` takes supervised rows, the chosen response of pairs, and unpaired rows that are wanted.
   * `unpaired` takes labelled rows beside pairs, which stay pairs: a method that judges single responses parts them itself.
   */
  readonly kind: DataKind
  /** A pair's weight is its strength / 3, where the data has one; false: 1 */
  readonly strengthAsWeight?: boolean | undefined
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
  readonly tokenisation: Tokenisation
  readonly options: DataFileOptions
}

/** Reads a source: a file, a folder, or a pattern. Errors: InvalidDataFile, InvalidTokenizer, PairOverLength (policy "error"). */
export async function readDataFile(
  source: string,
  tokenisation: Tokenisation,
  options: DataFileOptions,
): Promise<DataRows> {
  const file = new PreferenceFile(source, options)
  const collector = new RowCollector(file)
  for await (const record of file.records(options.kind === "responses")) {
    collector.attempt(record, () => {
      const { rows, dropped } = statedRows({ tokenisation, options }, record.stated)
      for (const { reason, field, detail } of dropped) {
        collector.drop(record, reason, field === undefined ? detail : `${field} ${detail}`)
      }
      for (const row of rows) collector.add(record, row)
    })
  }
  file.check()
  const dropped = [...collector.dropped, ...file.badRows].sort((a, b) => a.row - b.row)
  return { rows: collector.rows, dropped, unread: [...file.unread], digest: digestOf(file.files, options) }
}

/** Names what was read: the files, and how where that is not the usual way. */
function digestOf(files: readonly string[], { columns, form }: DataFileOptions): string {
  const digests = files.map(fileDigest)
  const digest = digests.length === 1 ? digests[0]! : sha256(digests.join("\n"))
  return columns === undefined && form === undefined ? digest : sha256(canonicalJson({ digest, columns, form }))
}

/** How many rows were dropped for each reason. */
export function countReasons(dropped: readonly { readonly reason: string }[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { reason } of dropped) counts[reason] = (counts[reason] ?? 0) + 1
  return counts
}

/** Tokenised rows, each content once. */
class RowCollector {
  readonly rows: TokenRow[] = []
  readonly dropped: DroppedRow[] = []
  readonly #file: PreferenceFile
  readonly #contents = new RowContents()

  constructor(file: PreferenceFile) {
    this.#file = file
  }

  /** Counts a record as bad where taking its rows shows that it is. */
  attempt(place: Place, take: () => void): void {
    try {
      take()
    } catch (error) {
      if (!(error instanceof InvalidPreferenceRow)) throw error
      this.#file.refuse(place, error.message)
    }
  }

  drop({ file, line, row }: Place, reason: string, detail?: string): void {
    this.dropped.push({ file, line, row, reason, detail })
  }

  add(place: Place, row: StatedRow): void {
    const twin = this.#contents.claim(place, row.content)
    if (twin !== undefined) {
      this.drop(place, "duplicate", twin)
      return
    }
    const tokenised = tokeniseAt(place, row)
    if ("_tag" in tokenised) this.drop(place, tokenised.reason, tokenised.detail)
    else this.rows.push(tokenised)
  }
}

function tokeniseAt({ file, line }: Place, row: StatedRow): TokenRow | Refused {
  try {
    return row.tokenise()
  } catch (error) {
    if (error instanceof PairOverLength) throw new PairOverLength(`${file}:${line}: ${error.message}`)
    if (!(error instanceof ChatTemplateRefused)) throw error
    return { _tag: "Dropped", reason: "template-refused", detail: error.message }
  }
}

function statedRows(
  reading: Reading,
  stated: StatedRecord["stated"],
): { readonly rows: readonly StatedRow[]; readonly dropped: readonly DroppedRecord[] } {
  if (!("supervised" in stated)) return rowsOf(reading, stated)
  const { prompt, response } = stated.supervised.text
  const fault = responseFault(response, "response", prompt)
  if (fault !== undefined) return { rows: [], dropped: [fault] }
  return { rows: [supervisedRow(reading, stated.supervised)], dropped: [] }
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

function supervisedRow(reading: Reading, { id, text }: SupervisedRow): StatedRow {
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
