// One line of preference data, in any of the accepted shapes, to one typed row.
// Accepted: native and TRL explicit (text or chat), TRL implicit (chat), UltraFeedback, OpenAI preferred_output,
// Anthropic HH. Whatever a shape does not know is an error: a field read by nobody is a misunderstanding.
import { canonicalJson, sha256Hex } from "./digest.ts"
import { findDuplicateKey } from "./strict-json.ts"

/** A chat message. */
export interface Message {
  readonly role: string
  readonly content: string
}

/** A prompt with two responses: all three plain text, or all three lists of messages. */
export type PreferenceRow = { readonly id: string } & PreferenceText

/** What is compared, without its id. */
export type PreferenceText =
  | { readonly prompt: string; readonly chosen: string; readonly rejected: string }
  | { readonly prompt: readonly Message[]; readonly chosen: readonly Message[]; readonly rejected: readonly Message[] }

/** The line cannot be used; `field` is the path of what is wrong ("" for the whole line) and the message says the mend. */
export class InvalidPreferenceRow extends Error {
  readonly _tag = "InvalidPreferenceRow"
  readonly field: string
  constructor(field: string, message: string) {
    super(field === "" ? message : `${field} ${message}`)
    this.field = field
  }
}

type Fields = Record<string, unknown>

// Bounds recursion on hostile input; the deepest accepted shape has four levels.
const MAX_DEPTH = 16

/**
 * Parses one JSON line (text, or its UTF-8 bytes). `id` is the row's own, else "sha256:" and the digest of its content.
 * Rejects with InvalidPreferenceRow.
 */
export async function parsePreferenceRow(line: string | Uint8Array): Promise<PreferenceRow> {
  const fields = parseLine(line)
  refuseBrokenText(fields, "")
  const text = readText(fields)
  checkResponses(text)
  return { id: readId(fields) ?? `sha256:${await sha256Hex(canonicalJson(text))}`, ...text }
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
    value = JSON.parse(text)
  } catch {
    throw new InvalidPreferenceRow("", "the line is not JSON; write one JSON object a line")
  }
  if (!isRecord(value)) throw new InvalidPreferenceRow("", "the line is not a JSON object; write one object a line")
  const duplicate = findDuplicateKey(text)
  if (duplicate !== undefined) throw new InvalidPreferenceRow(duplicate, "is there twice in one object; keep one")
  return value
}

/** JSON can spell half of a surrogate pair; no UTF-8 can hold it, so it would be lost on the way. */
function refuseBrokenText(value: unknown, path: string, depth = 0): void {
  if (depth > MAX_DEPTH)
    throw new InvalidPreferenceRow("", `nests deeper than ${MAX_DEPTH} levels; no accepted shape does`)
  if (typeof value === "string") {
    if (value.isWellFormed()) return
    throw new InvalidPreferenceRow(path, "holds half of a surrogate pair, which is no text; repair the string")
  }
  if (typeof value !== "object" || value === null) return
  for (const [key, member] of Object.entries(value)) {
    if (!key.isWellFormed()) throw new InvalidPreferenceRow(path, "has a field name that is no text; rename it")
    refuseBrokenText(member, path === "" ? key : `${path}.${key}`, depth + 1)
  }
}

function readText(fields: Fields): PreferenceText {
  if ("preferred_output" in fields || "non_preferred_output" in fields || "input" in fields) return readOpenAi(fields)
  const isUltraFeedback = typeof fields.prompt === "string" && Array.isArray(fields.chosen)
  const more = isUltraFeedback ? ["prompt_id", "messages", "score_chosen", "score_rejected"] : []
  refuseUnknown(fields, ["id", "prompt", "chosen", "rejected", ...more], "")
  for (const field of ["chosen", "rejected"]) {
    if (!(field in fields)) throw new InvalidPreferenceRow(field, "is missing; give both responses")
  }
  if (typeof fields.chosen === "string") {
    const [chosen, rejected] = [fields.chosen, readString(fields, "rejected")]
    return "prompt" in fields
      ? { prompt: readString(fields, "prompt"), chosen, rejected }
      : readAnthropic(chosen, rejected)
  }
  const chosen = readMessages(fields.chosen, "chosen")
  const rejected = readMessages(fields.rejected, "rejected")
  if (Array.isArray(fields.prompt)) {
    return { prompt: readMessages(fields.prompt, "prompt"), chosen, rejected }
  }
  if ("prompt" in fields && !isUltraFeedback) {
    throw new InvalidPreferenceRow("prompt", "must be text or a list of messages")
  }
  const implicit = splitCommonPrefix(chosen, rejected)
  if (isUltraFeedback && implicit.prompt.at(-1)?.content !== fields.prompt) {
    throw new InvalidPreferenceRow("prompt", "is not the last message that both responses share; correct it")
  }
  return implicit
}

/** {"input": {"messages"}, "preferred_output", "non_preferred_output"}, as OpenAI, Azure, Fireworks and Together take it. */
function readOpenAi(fields: Fields): PreferenceText {
  refuseUnknown(fields, ["id", "input", "preferred_output", "non_preferred_output"], "")
  const input = fields.input
  if (!isRecord(input)) throw new InvalidPreferenceRow("input", "must be an object with messages")
  refuseUnknown(input, ["messages", "tools", "parallel_tool_calls"], "input.")
  if (Array.isArray(input.tools) ? input.tools.length > 0 : (input.tools ?? null) !== null) {
    throw new InvalidPreferenceRow("input.tools", "is not supported unless empty; remove rows that call tools")
  }
  return {
    prompt: readMessages(input.messages, "input.messages"),
    chosen: readMessages(fields.preferred_output, "preferred_output"),
    rejected: readMessages(fields.non_preferred_output, "non_preferred_output"),
  }
}

const ANTHROPIC_MARKER = "\n\nAssistant:"

/** Anthropic HH: one transcript a response. Split at each one's last marker, which stays with the prompt. */
function readAnthropic(chosen: string, rejected: string): PreferenceText {
  const split = (transcript: string, field: string) => {
    const at = transcript.lastIndexOf(ANTHROPIC_MARKER) + ANTHROPIC_MARKER.length
    if (at >= ANTHROPIC_MARKER.length) return [transcript.slice(0, at), transcript.slice(at)] as const
    throw new InvalidPreferenceRow(
      field,
      'has no prompt beside it and no "\\n\\nAssistant:" inside; give "prompt", or transcripts as Anthropic HH has them',
    )
  }
  const [prompt, chosenResponse] = split(chosen, "chosen")
  const [otherPrompt, rejectedResponse] = split(rejected, "rejected")
  if (prompt !== otherPrompt) {
    throw new InvalidPreferenceRow(
      "rejected",
      "has another conversation before its last answer than chosen; drop the row",
    )
  }
  return { prompt, chosen: chosenResponse, rejected: rejectedResponse }
}

/** TRL implicit: the prompt is what both conversations begin with, in whole messages. */
function splitCommonPrefix(
  chosen: readonly Message[],
  rejected: readonly Message[],
): Extract<PreferenceText, { prompt: readonly Message[] }> {
  let shared = 0
  while (shared < Math.min(chosen.length, rejected.length) && isSameMessage(chosen[shared]!, rejected[shared]!))
    shared++
  if (shared === 0) {
    throw new InvalidPreferenceRow(
      "prompt",
      "is missing, and chosen and rejected share no first message; give the prompt",
    )
  }
  if (shared === chosen.length && shared === rejected.length) {
    throw new InvalidPreferenceRow("rejected", "is the same as chosen; drop the row")
  }
  return { prompt: chosen.slice(0, shared), chosen: chosen.slice(shared), rejected: rejected.slice(shared) }
}

function readMessages(value: unknown, path: string): Message[] {
  if (!Array.isArray(value)) throw new InvalidPreferenceRow(path, "must be a list of messages, as the other parts are")
  if (value.length === 0 && (path === "prompt" || path === "input.messages")) {
    throw new InvalidPreferenceRow(path, "is empty; give at least one message")
  }
  return value.map((message, index) => {
    const where = `${path}.${index}`
    if (!isRecord(message)) throw new InvalidPreferenceRow(where, "must be an object with role and content")
    refuseUnknown(message, ["role", "content"], `${where}.`)
    const role = readString(message, "role", `${where}.`)
    if (role === "") throw new InvalidPreferenceRow(`${where}.role`, "is empty; use system, user or assistant")
    return { role, content: readString(message, "content", `${where}.`) }
  })
}

function checkResponses(text: PreferenceText): void {
  for (const field of ["chosen", "rejected"] as const) {
    const response = text[field]
    const isEmpty = typeof response === "string" ? isBlank(response) : response.every(({ content }) => isBlank(content))
    if (isEmpty) throw new InvalidPreferenceRow(field, "is an empty response; give its text or drop the row")
    if (typeof response === "string") continue
    const other = response.find(({ role }) => role !== "assistant")
    if (other !== undefined) {
      throw new InvalidPreferenceRow(
        field,
        `holds a message of role ${JSON.stringify(other.role)} in the response; put all but the assistant's answer into the prompt`,
      )
    }
  }
  if (canonicalJson(text.chosen) === canonicalJson(text.rejected)) {
    throw new InvalidPreferenceRow("rejected", "is the same as chosen; drop the row")
  }
}

function readId(fields: Fields): string | undefined {
  const [field, id] = "id" in fields ? ["id", fields.id] : ["prompt_id", fields.prompt_id]
  if (id === undefined) return undefined
  if (Number.isSafeInteger(id)) return String(id)
  if (typeof id === "string" && id !== "") return id
  throw new InvalidPreferenceRow(field as string, "must be non-empty text or an integer; correct it or leave it out")
}

function readString(fields: Fields, field: string, path = ""): string {
  const value = fields[field]
  if (typeof value === "string") return value
  throw new InvalidPreferenceRow(`${path}${field}`, value === undefined ? "is missing; give its text" : "must be text")
}

function refuseUnknown(fields: Fields, known: readonly string[], path: string): void {
  const unknown = Object.keys(fields).find((field) => !known.includes(field))
  if (unknown === undefined) return
  throw new InvalidPreferenceRow(
    `${path}${unknown}`,
    `is an unknown field; remove it (known here: ${known.join(", ")})`,
  )
}

function isSameMessage(a: Message, b: Message): boolean {
  return a.role === b.role && a.content === b.content
}

function isBlank(text: string): boolean {
  return text.trim() === ""
}

function isRecord(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}
