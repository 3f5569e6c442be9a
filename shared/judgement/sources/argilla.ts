// Argilla v2: responses of webhooks, of its API's records and of its exports, read alike. Judgements are read from a ranking
// question, a label question whose labels are the responses' field names or a tie, or a rating question for each response named like
// its field. What else Argilla sends (metadata, suggestions, vectors) is left alone.

import { utc } from "../time-of.ts"
import {
  type AnnotatedComparison,
  asItStands,
  deleted,
  type FormOptions,
  ignored,
  noEventOf,
  type Place,
  type Reading,
  reading,
  refused,
  rowsOf,
  rowsOfEvent,
  takenBack,
} from "./annotation.ts"
import { answeredQuestion } from "./argilla-questions.ts"
import { judged } from "./form.ts"
import {
  asWord,
  dropped,
  type Fields,
  InvalidPreferenceRow,
  isRecord,
  nameIn,
  readString,
  readTextOrNothing,
  readTimeOrNothing,
  type Shape,
} from "./record.ts"
import type { Retraction } from "./retraction.ts"

/** A webhook's body: one annotator's response with its record. */
export const argillaEvent: Shape = {
  name: "Argilla event",
  recognises: (fields) => typeof fields.type === "string" && isRecord(fields.data),
  read: (fields, options) => rowsOfEvent(readArgillaEvent(fields, options)),
}

/** A record: `responses` by question as exports have them, or one for each annotator as the API has them. */
export const argillaRecord: Shape = {
  name: "Argilla record",
  recognises: (fields) => isRecord(fields.fields) && "responses" in fields,
  read: (record, options) => {
    const { fields, responses, metadata } = record
    const labelled = { fields: fields as Fields, metadata }
    const isExport = !Array.isArray(responses)
    // What the SDK's exports call a record's id is its external one.
    const name = nameIn(record, "external_id", "id")
    const all = isExport ? byAnnotator(responses) : responses
    if (all.length === 0) return dropped("unlabelled", "the record has no responses")
    const readings = all.map((response, index) => {
      if (!isRecord(response)) return refused(`responses.${index}`, "must be an object")
      const person = personIn(response)
      const named = name === undefined || person === undefined ? undefined : `${name}/${person}`
      const externalId = named ?? nameIn(response, "id")
      const read = readResponse({ externalId, response, record: labelled, options, isExport })
      return asItStands(read, externalId, timeIn(response))
    })
    return rowsOf(readings)
  },
}

/** The body of a webhook. Throws InvalidPreferenceRow where it is no event. */
export function readArgillaEvent(event: unknown, options: FormOptions): readonly Reading[] {
  if (!isRecord(event) || typeof event.type !== "string") throw noEventOf("Argilla", "type")
  const { type, data } = event
  const scope = DELETIONS.get(type)
  if (scope === undefined && type !== "response.created" && type !== "response.updated")
    return [ignored("no-judgement", `${type} carries no judgement`)]
  if (!isRecord(data)) throw new InvalidPreferenceRow("data", "must be an object")
  const externalId = readString(data, "id", "data.")
  const what = type.slice(0, type.indexOf("."))
  if (externalId === "") throw new InvalidPreferenceRow("data.id", `is empty; give the ${what}'s id`)
  if (scope !== undefined)
    return [deleted(scope, externalId, scope === "annotation" ? "the response was deleted" : `its ${what} was deleted`)]
  const status = readString(data, "status", "data.").toLowerCase()
  if (status === "discarded") return [takenBack(externalId, timeIn(data), "discarded", DISCARDED)]
  if (status !== "submitted") return [unfinished(type, externalId, data, status)]
  const record = isRecord(data.record) ? data.record : {}
  const read = reading(() => {
    if (!isRecord(record.fields)) throw new InvalidPreferenceRow("data.record.fields", "must be an object")
    const labelled = { fields: record.fields, metadata: record.metadata, comments: textQuestionsOf(record) }
    return readResponse({ externalId, response: data, record: labelled, options, isExport: false })
  })
  return [read.kind === "comparison" ? { ...read, place: placeOf(record) } : asItStands(read, externalId, timeIn(data))]
}

/** What each kind of deletion takes with it: the tool names no responses of a deleted record or dataset. */
const DELETIONS: ReadonlyMap<string, Retraction["scope"]> = new Map([
  ["response.deleted", "annotation"],
  ["record.deleted", "task"],
  ["dataset.deleted", "project"],
])

/** A submitted response that is made a draft again is taken back; what is created as one was never submitted. */
function unfinished(type: string, externalId: string, response: Fields, status: string): Reading {
  const detail = unfinishedAs(status)
  return type === "response.created"
    ? ignored("draft", detail)
    : takenBack(externalId, timeIn(response), "draft", detail)
}

const unfinishedAs = (status: string): string => `the response is ${status === "draft" ? "a draft" : status}`

function placeOf({ id, dataset }: Fields): Place {
  const name = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined)
  return { task: name(id), project: isRecord(dataset) ? name(dataset.id) : undefined }
}

const DISCARDED = "the response was discarded"

interface Answered {
  readonly externalId: string | undefined
  /** {status, values, user or user_id, updated_at} */
  readonly response: Fields
  readonly record: { readonly fields: Fields; readonly metadata: unknown; readonly comments?: readonly string[] }
  readonly options: FormOptions
  /** Exports write a ranking as a list of its values, which the API and webhooks never do. */
  readonly isExport: boolean
}

/** One annotator's response to a record, whichever way it came. */
function readResponse({ externalId, response, record, options, isExport }: Answered): Reading {
  return reading(() => {
    const status = (readTextOrNothing(response, "status") ?? "submitted").toLowerCase()
    if (status === "discarded") return ignored("discarded", DISCARDED)
    if (status !== "submitted") return ignored("draft", unfinishedAs(status))
    refuseOpen(response)
    if (isExport) refuseUnjoined(response)
    const form = { fields: record.fields, options }
    const comparison: AnnotatedComparison = {
      ...judged(form, answeredQuestion(judgingValues(response, record.comments, options), form, isExport)),
      externalId,
      annotator: annotatorOf(response),
      task: taskOf(record, options.task),
      labelledAt: timeOf(response),
    }
    return { kind: "comparison", comparison }
  })
}

/** Who answered; undefined where that is not told: people without an id are not one. */
function personIn({ user_id: id }: Fields): string | undefined {
  return typeof id === "string" && !["", "None", "null"].includes(id) ? id : undefined
}

interface Given {
  readonly user: string | undefined
  readonly question: string
  readonly answer: Fields
}

/** The name of a record's only annotator, who is not told. */
const ONLY = "0"

/** {question: [{value, user_id}]} to one {values, user_id} an annotator, and one an answer of people who are not told apart. */
function byAnnotator(responses: unknown): readonly Fields[] {
  if (!isRecord(responses))
    throw new InvalidPreferenceRow("responses", "must be a list, or an object of lists by question")
  const given = Object.entries(responses).flatMap(([question, answers]) => {
    if (!Array.isArray(answers)) throw new InvalidPreferenceRow(`responses.${question}`, "must be a list")
    return answers.map((answer: unknown): Given => {
      if (!isRecord(answer)) throw new InvalidPreferenceRow(`responses.${question}`, "must be a list of objects")
      return { user: personIn(answer), question, answer }
    })
  })
  const isOnePerson =
    given.every(({ user }) => user === undefined) &&
    new Set(given.map(({ question }) => question)).size === given.length
  if (isOnePerson) return given.length === 0 ? [] : [responseOf(ONLY, given)]
  const { known = [], unknown = [] } = Object.groupBy(given, ({ user }) => (user === undefined ? "unknown" : "known"))
  const people = [...Map.groupBy(known, ({ user }) => user)]
  return [...people.map(([user, own]) => responseOf(user, own)), ...unknown.map((one) => responseOf(undefined, [one]))]
}

function responseOf(user: string | undefined, given: readonly Given[]): Fields {
  const values = Object.fromEntries(given.map(({ question, answer }) => [question, { value: answer.value }]))
  const answers = Map.groupBy(given, ({ question }) => question)
  const wordOf = (value: unknown) => JSON.stringify(value, (_, part) => (typeof part === "bigint" ? `${part}` : part))
  const isOpen = (said: readonly Given[]) => new Set(said.map(({ answer }) => wordOf(answer.value))).size > 1
  const [open] = [...answers].flatMap(([question, said]) => (isOpen(said) ? [question] : []))
  return { user_id: user, values, status: wholeStatus(given.map(({ answer }) => answer.status)), open }
}

/** Of two answers of one person to one question either could be meant. */
function refuseOpen({ open, user_id: user }: Fields): void {
  if (typeof open !== "string") return
  throw new InvalidPreferenceRow(`responses.${open}`, `holds different answers of ${asWord(user)}; keep one`)
}

/** Numbers that several people gave are no comparison, and whose each is is not told. */
function refuseUnjoined(response: Fields): void {
  const [[question, value] = ["", undefined]] = valuesOf(response)
  if (personIn(response) !== undefined || typeof value !== "number") return
  throw new InvalidPreferenceRow(
    `responses.${question}`,
    "holds ratings of several people and does not say whose they are; export the responses with their users",
  )
}

/** Of the answers of one response, which exports give a status each: it is submitted if all that say one are. */
function wholeStatus(statuses: readonly unknown[]): unknown {
  const said = statuses.filter((status) => status !== undefined && status !== null && status !== "")
  const word = (status: unknown) => asWord(status).toLowerCase()
  return said.find((status) => word(status) === "discarded") ?? said.find((status) => word(status) !== "submitted")
}

/** Questions that are answered with free text: an event says so, and other ways in do not. */
function textQuestionsOf({ dataset }: Fields): readonly string[] {
  const questions = isRecord(dataset) && Array.isArray(dataset.questions) ? dataset.questions : []
  return questions.flatMap((question: unknown) => {
    if (!isRecord(question) || !isRecord(question.settings) || question.settings.type !== "text") return []
    return typeof question.name === "string" ? [question.name] : []
  })
}

/** A comment judges nothing, unless `question` asks for it. */
const judgingValues = (response: Fields, comments: readonly string[] = [], { question }: FormOptions) =>
  valuesOf(response).filter(([name]) => name === question || !comments.includes(name))

/** Answers by question; unanswered ones are null or absent. */
function valuesOf({ values }: Fields): readonly (readonly [question: string, value: unknown])[] {
  const answers = isRecord(values) ? Object.entries(values) : []
  return answers.map(([question, answer]) => [question, isRecord(answer) ? answer.value : answer])
}

function annotatorOf({ user, user_id: id }: Fields): string | undefined {
  const names = isRecord(user) ? [user.username, user.id] : [personIn({ user_id: id })]
  return names.find((name) => typeof name === "string" && name !== "") as string | undefined
}

function taskOf({ fields, metadata }: Answered["record"], name: string | undefined): string | undefined {
  if (name === undefined) return undefined
  const named = (of: unknown) => (isRecord(of) && Object.hasOwn(of, name) ? of[name] : undefined)
  const value = named(metadata) ?? named(fields)
  return typeof value === "string" && value !== "" ? value : undefined
}

/** Argilla's times are UTC, with or without saying so. */
function timeOf(response: Fields): string | undefined {
  const time = readTimeOrNothing(response, "updated_at")
  return time === undefined ? undefined : utc(time)
}

/** As timeOf, of what may hold anything. */
const timeIn = ({ updated_at: time }: Fields): string | undefined => (typeof time === "string" ? utc(time) : undefined)
