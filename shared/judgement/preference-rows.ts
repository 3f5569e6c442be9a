// One record of preference data, in any of the accepted shapes (sources/), to typed rows: pairs, judged single responses,
// and what was dropped with its reason. Fields that a shape does not know are left alone and named.
import { canonicalJson, sha256Hex } from "#shared/formats/digest.ts"
import { findDuplicateKey } from "#shared/formats/json-object.ts"
import { parseRow } from "#shared/tokenisation/exact-json.ts"
import type { PairText } from "#shared/tokenisation/tokenisation.ts"
import { type ColumnMap, mapColumns } from "./column-map.ts"
import { essence, isBlank } from "./essence.ts"
import { otherTurn } from "./one-answer.ts"
import type { FormOptions } from "./sources/annotation.ts"
import { anthropicHh } from "./sources/anthropic-hh.ts"
import { arenaConversations, arenaTable } from "./sources/arena.ts"
import { argillaEvent, argillaRecord } from "./sources/argilla.ts"
import { argillaExport } from "./sources/argilla-export.ts"
import { comparison } from "./sources/comparison.ts"
import { conversationPairs } from "./sources/conversation-pairs.ts"
import { helpSteer2, helpSteer3 } from "./sources/helpsteer.ts"
import { instructionPairs } from "./sources/instruction-pairs.ts"
import { labelStudioEvent, labelStudioTask } from "./sources/label-studio.ts"
import { labelStudioMin } from "./sources/label-studio-min.ts"
import { nectar } from "./sources/nectar.ts"
import { oasst } from "./sources/oasst.ts"
import { openAi } from "./sources/openai.ts"
import { prodigy } from "./sources/prodigy.ts"
import { ratingList, ultraFeedbackCompletions } from "./sources/rating-list.ts"
import {
  type DroppedPart,
  type DropReason,
  droppedBy,
  type Fields,
  InvalidPreferenceRow,
  isRecord,
  nameIn,
  type Shape,
  type StatedComparison,
  type StatedPair,
  type StatedResponse,
  type Statement,
  type Text,
  type UnpairedText,
} from "./sources/record.ts"
import { namesOf, type Retraction, saidBefore } from "./sources/retraction.ts"
import { mendOfJson, withStructures } from "./sources/structured-text.ts"
import { trl, ultraFeedback } from "./sources/trl.ts"
import { unpaired } from "./sources/unpaired.ts"
import { refuseUnread, unreadFields } from "./sources/unread-fields.ts"
import { refuseBrokenStatement, refuseDepth } from "./sources/well-formed.ts"

export { InvalidPreferenceRow }

/** A prompt with two responses. */
export type PreferenceRow = {
  readonly id: string
  /** How strongly the chosen response is preferred, 1 to 3, where the data says so. */
  readonly strength?: number
} & PairText

/** A prompt with one response, wanted (`label` true) or not. */
export type UnpairedRow = { readonly id: string; readonly label: boolean } & UnpairedText

/** What one record gives. */
export interface PreferenceRecord {
  readonly pairs: readonly PreferenceRow[]
  readonly unpaired: readonly UnpairedRow[]
  readonly dropped: readonly DroppedPart[]
  /** The judgements that the pairs come from, ties too; undefined: each pair was judged by itself. */
  readonly comparisons?: readonly StatedComparison[] | undefined
  /** Names of which nothing is stated any more: what they said before is over. */
  readonly over?: readonly Retraction[] | undefined
  /** Judgements of the record that cannot be used; what stands here beside them can. */
  readonly faults?: readonly InvalidPreferenceRow[] | undefined
  /** Names of the fields that nobody read. */
  readonly unread: readonly string[]
}

/** How a record is to be read. */
export interface RecordOptions {
  /** Which parts of a labelling tool's form are meant, as a webhook's mapping says it. */
  readonly form?: FormOptions | undefined
  /** Own names of columns. */
  readonly columns?: ColumnMap | undefined
  /** A field that nobody reads is an error. */
  readonly strict?: boolean | undefined
}

// Each annotation has a name of its own, which its reading takes back.
const TOOLS: readonly Shape[] = [
  ...[argillaExport, argillaEvent, argillaRecord, labelStudioEvent, labelStudioTask, labelStudioMin],
].map((shape) => ({ ...shape, names: () => [] }))
const PAIRS: readonly Shape[] = [conversationPairs, ultraFeedback, instructionPairs, anthropicHh, trl]

// The first that recognises a record reads it. Two responses named chosen and rejected are a pair, whatever columns stand beside them;
// with one of the names alone, other marks come first.
const SHAPES: readonly Shape[] = [
  ...TOOLS,
  ...PAIRS.map((shape) => ({
    ...shape,
    recognises: (fields: Fields) => "chosen" in fields && "rejected" in fields && shape.recognises(fields),
  })),
  ...[openAi, comparison, prodigy, oasst, nectar, arenaTable, arenaConversations, helpSteer3, helpSteer2],
  ...[ratingList, ultraFeedbackCompletions, unpaired, ...PAIRS],
]

/** Names of the accepted shapes. */
const SHAPE_NAMES: readonly string[] = [...new Set(SHAPES.map(({ name }) => name))]

/**
 * Parses one record: a JSON line (text, or its UTF-8 bytes), or an object that another format held. A row's `id` is the record's
 * own, else "sha256:" and the digest of its content. Rejects with InvalidPreferenceRow.
 */
export async function parsePreferenceRecord(
  record: string | Uint8Array | Fields,
  options: RecordOptions = {},
  mostPairs = Number.POSITIVE_INFINITY,
): Promise<PreferenceRecord> {
  const { fields, unread } = readableFields(record, options)
  const shape = SHAPES.find((candidate) => candidate.recognises(fields))
  if (shape === undefined) throw unknownShape(fields)
  if (options.strict === true) refuseUnread(fields, shape)
  const stated = statementOf(shape, fields, options.form ?? {})
  if ((stated.pairs?.length ?? 0) > mostPairs) throw severalPairs(stated.pairs!.length)
  refuseBrokenStatement(stated)
  const dropped: DroppedPart[] = [...(stated.dropped ?? [])]
  const over: Retraction[] = [...(stated.over ?? [])]
  const pairs: PreferenceRow[] = []
  for (const pair of stated.pairs ?? []) {
    const fault = pairFault(pair)
    if (fault === undefined) pairs.push(await preferenceRow(pair))
    else {
      dropped.push(fault)
      if (stated.comparisons === undefined && pair.id !== undefined) over.push(saidBefore(pair.id, undefined))
    }
  }
  const rows: UnpairedRow[] = []
  for (const response of stated.responses ?? []) {
    const fault = responseFault(response.completion, "completion", response.prompt)
    if (fault === undefined) rows.push(await unpairedRow(response))
    else {
      dropped.push(fault)
      if (stated.comparisons === undefined && response.id !== undefined) over.push(saidBefore(response.id, undefined))
    }
  }
  const { comparisons, faults = [] } = stated
  over.push(...silentNames(shape, fields, [...(comparisons ?? [...pairs, ...rows]), ...over.map(nameOfOver)]))
  return {
    pairs,
    unpaired: rows,
    dropped,
    comparisons,
    over,
    faults,
    unread: [...unread, ...unreadFields(fields, shape)],
  }
}

const nameOfOver = ({ externalId: id }: Retraction) => ({ id })

/** Names under which the record could state something and states nothing. */
function silentNames(shape: Shape, fields: Fields, stated: readonly { readonly id?: string | undefined }[]) {
  const names = shape.names?.(fields) ?? namesOf(nameIn(fields, "id"))
  return names.filter(({ externalId }) => !stated.some(({ id }) => id === externalId))
}

/** A record as the shapes take it: parsed, its columns under the names that are read, its JSON texts as what they say. Throws InvalidPreferenceRow. */
export function readableFields(
  record: string | Uint8Array | Fields,
  { columns, strict }: RecordOptions = {},
): { readonly fields: Fields; readonly unread: readonly string[] } {
  const given = typeof record === "string" || record instanceof Uint8Array ? parseLine(record) : record
  refuseDepth(given)
  const { fields, unread } = columns === undefined ? { fields: given, unread: [] } : mapColumns(given, columns)
  if (strict === true && unread.length > 0) {
    throw new InvalidPreferenceRow(unread[0]!, "is an unknown field; remove it, or name it in the map")
  }
  return { fields: withStructures(fields), unread }
}

export function severalPairs(count: number): InvalidPreferenceRow {
  return new InvalidPreferenceRow("", `the line states ${count} pairs; send them as comparisons, or one pair a line`)
}

function statementOf(shape: Shape, fields: Fields, options: FormOptions): Statement {
  try {
    return shape.read(fields, options)
  } catch (error) {
    if (error instanceof InvalidPreferenceRow) return droppedBy(error)
    throw error
  }
}

function unknownShape(fields: Fields): InvalidPreferenceRow {
  const names = Object.keys(fields)
  const [field] = names
  if (field === undefined) return new InvalidPreferenceRow("chosen", "is missing; give both responses")
  return new InvalidPreferenceRow(
    field,
    `is an unknown field; a row with the fields ${names.join(", ")} has none of the known shapes (${SHAPE_NAMES.join(", ")}); ${mendOf(names)}`,
  )
}

const UNTRIMMED = "the names of its columns have spaces around them; remove those"

function mendOf(names: readonly string[]): string {
  if (names.some((name) => name !== name.trim())) return UNTRIMMED
  const isResponse = names.includes("messages") || (names.includes("prompt") && names.includes("response"))
  return isResponse
    ? "it states one response: train with method sft, or give pairs"
    : "name its columns (--map prompt=…,chosen=…,rejected=…), or call its fields prompt, chosen and rejected"
}

function parseLine(line: string | Uint8Array): Fields {
  let text: string
  let value: unknown
  try {
    text = typeof line === "string" ? line : new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(line)
  } catch {
    throw new InvalidPreferenceRow("", "the line is not UTF-8; save the file as UTF-8")
  }
  try {
    value = parseRow(text)
  } catch {
    throw new InvalidPreferenceRow("", `the line is not JSON; ${mendOfJson(text)}`)
  }
  if (!isRecord(value)) throw new InvalidPreferenceRow("", "the line is not a JSON object; write one object a line")
  const duplicate = findDuplicateKey(text)
  if (duplicate !== undefined) throw new InvalidPreferenceRow(duplicate, "is there twice in one object; keep one")
  return value
}

function fault(field: string, reason: DropReason, detail: string): DroppedPart {
  return { field, reason, detail }
}

/** Why a pair teaches nothing. Throws InvalidPreferenceRow where its parts are of different kinds. */
function pairFault({ prompt, chosen, rejected }: StatedPair): DroppedPart | undefined {
  for (const [field, response] of [
    ["chosen", chosen],
    ["rejected", rejected],
  ] as const) {
    if (typeof response !== typeof prompt) {
      throw new InvalidPreferenceRow("prompt", "and both responses must all be text, or all be lists of messages")
    }
    const found = responseFault(response, field, prompt)
    if (found !== undefined) return found
  }
  if (essence(chosen) !== essence(rejected)) return undefined
  return fault("rejected", "identical", "is the same as chosen; drop the row")
}

/** Why a response teaches nothing. */
export function responseFault(response: Text, field: string, prompt: Text): DroppedPart | undefined {
  const isEmpty =
    typeof response === "string"
      ? isBlank(response)
      : response.every(({ content, tool_calls: calls }) => isBlank(content) && calls === undefined)
  if (isEmpty) return fault(field, "empty", "is an empty response; give its text or drop the row")
  const other = otherTurn(response, prompt)
  return other === undefined ? undefined : fault(field, "several-turns", other)
}

async function preferenceRow({ id, strength, tools, ...pair }: StatedPair): Promise<PreferenceRow> {
  const text = { ...pair, ...(tools === undefined ? {} : { tools }) } as PairText
  return { id: id ?? (await contentId(text)), ...text, ...(strength === undefined ? {} : { strength }) }
}

async function unpairedRow({ id, label, tools, ...response }: StatedResponse): Promise<UnpairedRow> {
  const text = { ...response, ...(tools === undefined ? {} : { tools }) } as UnpairedText
  return { id: id ?? (await contentId({ ...text, label })), label, ...text }
}

async function contentId(content: unknown): Promise<string> {
  return `sha256:${await sha256Hex(canonicalJson(content))}`
}
