// What every shape of preference data is read into, and the small strict readers that the shapes share.
import type { WebhookMapping } from "#shared/domain/WebhookEndpoint.ts"
import type { Message } from "#shared/tokenisation/tokenisation.ts"
import type { Text } from "../Comparison.ts"
import { findDateFault } from "../comparison-faults.ts"
import type { Judged } from "../derive-pairs.ts"
import type { Retraction } from "./retraction.ts"

export type { Message, Text }

/** One response that was judged by itself. */
export type UnpairedText =
  | { readonly prompt: string; readonly completion: string }
  | {
      readonly prompt: readonly Message[]
      readonly completion: readonly Message[]
      readonly tools?: readonly unknown[]
    }

/** A pair that a record states; not checked yet. */
export interface StatedPair {
  /** The record's own name for it; undefined: named by its content. */
  readonly id?: string | undefined
  readonly prompt: Text
  readonly chosen: Text
  readonly rejected: Text
  readonly tools?: readonly unknown[] | undefined
  /** How strongly the chosen one is preferred, 1 to STRONGEST_PREFERENCE, where the data says so. */
  readonly strength?: number | undefined
}

/** A judged response that a record states; not checked yet. */
export interface StatedResponse {
  readonly id?: string | undefined
  readonly prompt: Text
  readonly completion: Text
  readonly tools?: readonly unknown[] | undefined
  /** true: wanted. */
  readonly label: boolean
}

/** A part of a record that states no preference. */
export interface DroppedPart {
  readonly reason: DropReason
  /** The field that is at fault, where one is. */
  readonly field?: string
  /** Says more, and the mend where there is one. */
  readonly detail: string
}

export type DropReason =
  | "bad-quality"
  | "deleted"
  | "discarded"
  | "draft"
  | "empty"
  | "identical"
  | "no-judgement"
  | "several-turns"
  | "superseded"
  | "tie"
  | "unlabelled"

/** What one person said at once: the pairs that it states come and go together. */
export interface StatedComparison {
  /** The record's own name for it; undefined: named by its content. */
  readonly id?: string | undefined
  readonly judged: Judged
  /** Who said it, about what, and when (ISO 8601), where the record tells. */
  readonly annotator?: string | undefined
  readonly task?: string | undefined
  readonly labelledAt?: string | undefined
}

/** What one record states. */
export interface Statement {
  /** Where pairs come from judgements of several candidates, those judgements, ties too. */
  readonly comparisons?: readonly StatedComparison[]
  readonly pairs?: readonly StatedPair[]
  readonly responses?: readonly StatedResponse[]
  readonly dropped?: readonly DroppedPart[]
  /** Names of which nothing is stated any more: what they said before is over. */
  readonly over?: readonly Retraction[]
  /** Judgements of the record that cannot be used; they hide no others. */
  readonly faults?: readonly InvalidPreferenceRow[]
}

/** What a shape reads of a record: the names of fields, by the path of the object that holds them ("" for the record itself). */
export interface ReadFields {
  readonly reads: Readonly<Record<string, readonly string[]>>
  /** Names that are known to say nothing about the texts, at any depth: not worth a word. */
  readonly leaves?: readonly string[]
}

/** One accepted shape of records. `recognises` looks at the names of fields only, so that a fault inside is told as this shape's. */
export interface Shape extends Partial<ReadFields> {
  readonly name: string
  readonly recognises: (fields: Fields) => boolean
  /**
   * Names that the record could state something under; absent: its `id`. Under which it states nothing, what was said before is over. Throws
   * nothing, whatever the record holds.
   */
  readonly names?: (fields: Fields) => readonly Retraction[]
  /** `options` say which parts of a labelling tool's form are meant; other shapes need none. Throws InvalidPreferenceRow. */
  readonly read: (fields: Fields, options: WebhookMapping) => Statement
}

export type Fields = Readonly<Record<string, unknown>>

/** The record cannot be used; `field` is the path of what is wrong ("" for the whole) and the message says the mend. */
export class InvalidPreferenceRow extends Error {
  readonly _tag = "InvalidPreferenceRow"
  readonly field: string
  /** Set where the record is understood but states no usable pair. */
  readonly reason: DropReason | undefined
  constructor(field: string, message: string, reason?: DropReason) {
    super(field === "" ? message : `${field} ${message}`)
    this.field = field
    this.reason = reason
  }
}

export const dropped = (reason: DropReason, detail: string): Statement => ({ dropped: [{ reason, detail }] })

/** A record that is understood but states nothing usable is dropped; any other fault is thrown. */
export function droppedBy(fault: InvalidPreferenceRow): Statement {
  const { field, reason, message } = fault
  if (reason === undefined) throw fault
  if (field === "") return dropped(reason, message)
  return { dropped: [{ field, reason, detail: message.slice(field.length).trimStart() }] }
}

export function isRecord(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
}

/** Tables can hold what is no JSON value; where a shape reads it, the row cannot be used. */
export function refuseUnreadable(value: unknown, path: string): void {
  if (typeof value === "bigint")
    throw new InvalidPreferenceRow("", `the number ${value} is too large (in ${path}); write it as text`)
  if (value instanceof Uint8Array)
    throw new InvalidPreferenceRow("", `the row holds text that is not UTF-8 (in ${path}); repair it`)
}

export function readString(fields: Fields, field: string, path = ""): string {
  const value = fields[field]
  if (typeof value === "string") return value
  refuseUnreadable(value, `${path}${field}`)
  throw new InvalidPreferenceRow(`${path}${field}`, value === undefined ? "is missing; give text" : "must be text")
}

/** Text; undefined where the field is absent, null or empty. */
export function readTextOrNothing(fields: Fields, field: string, path = ""): string | undefined {
  const value = fields[field]
  return value === undefined || value === null || value === "" ? undefined : readString(fields, field, path)
}

/** As readTextOrNothing, of a time that the service takes: a file says of it what a delivery would be told. */
export function readTimeOrNothing(fields: Fields, field: string, path = ""): string | undefined {
  const time = readTextOrNothing(fields, field, path)
  const fault = time === undefined ? undefined : findDateFault(time, Date.now(), "")
  if (fault !== undefined) throw new InvalidPreferenceRow(`${path}${field}`, fault.detail.trimStart())
  return time
}

/** A finite number; tables of text (CSV) hold it as text. */
export function readNumber(fields: Fields, field: string, path = ""): number {
  const value = fields[field]
  refuseUnreadable(value, `${path}${field}`)
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value
  if (typeof number === "number" && Number.isFinite(number)) return number
  throw new InvalidPreferenceRow(
    `${path}${field}`,
    value === undefined ? "is missing; give a number" : "must be a number",
  )
}

/** A number; undefined where a candidate was not judged: null, absent, an empty cell, N/A, or the NaN that tables write for it. */
export function readScore(fields: Fields, field: string, path = ""): number | undefined {
  const value = fields[field]
  const isAbsent = value === undefined || value === null || Number.isNaN(value)
  return isAbsent || (typeof value === "string" && ["", "n/a"].includes(value.trim().toLowerCase()))
    ? undefined
    : readNumber(fields, field, path)
}

/** A number or a word as text; of an object nothing, since it may say itself how it becomes text. */
export function asWord(value: unknown): string {
  return typeof value === "object" && value !== null ? "" : String(value)
}

/** The first of these fields that is there, as a name. */
export function readId(fields: Fields, ...names: readonly string[]): string | undefined {
  const field = names.find((name) => fields[name] !== undefined && fields[name] !== null)
  if (field === undefined) return undefined
  const id = fields[field]
  if (Number.isSafeInteger(id)) return String(id)
  if (typeof id === "string" && id !== "") return id
  refuseUnreadable(id, field)
  if (Number.isInteger(id)) {
    throw new InvalidPreferenceRow(
      field,
      "is an integer too large to be read exactly, as 64-bit ids are; write it as text",
    )
  }
  throw new InvalidPreferenceRow(field, "must be non-empty text or an integer; correct it or leave it out")
}

/** As readId, of what may hold anything. */
export function nameIn(fields: Fields, ...names: readonly string[]): string | undefined {
  const field = names.find((name) => fields[name] !== undefined && fields[name] !== null)
  const id = field === undefined ? undefined : fields[field]
  return Number.isSafeInteger(id) || (typeof id === "string" && id !== "") ? String(id) : undefined
}

/** A list of objects. */
export function readRecords(fields: Fields, field: string, path = ""): readonly Fields[] {
  const value = fields[field]
  if (!Array.isArray(value)) throw new InvalidPreferenceRow(`${path}${field}`, "must be a list of objects")
  value.forEach((member, index) => {
    if (!isRecord(member)) throw new InvalidPreferenceRow(`${path}${field}.${index}`, "must be an object")
  })
  return value as readonly Fields[]
}
