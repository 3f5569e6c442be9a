// Rows of supervised fine-tuning: {prompt, response} or TRL's {prompt, completion}, both text or both chat messages, and TRL's
// {messages}, whose last message is the response. Only one answer is scored: earlier ones are part of the prompt.
import { InvalidPreferenceRow } from "#shared/judgement/preference-rows.ts"
import { readMessages, readText, readTools } from "#shared/judgement/sources/messages.ts"
import { type Fields, type ReadFields, readId } from "#shared/judgement/sources/record.ts"
import { refuseUnread, unreadFields } from "#shared/judgement/sources/unread-fields.ts"
import { refuseBrokenText } from "#shared/judgement/sources/well-formed.ts"
import type { ResponseText } from "#shared/tokenisation/tokenisation.ts"

export interface SupervisedRow {
  readonly id: string | undefined
  readonly text: ResponseText
  /** Names of the fields that nobody read. */
  readonly unread: readonly string[]
}

/** Whether a record is a supervised row, and no preference. */
export function isSupervised(fields: Fields): boolean {
  if ("chosen" in fields && "rejected" in fields) return false
  if ("response" in fields) return true
  if ("completion" in fields) return !("label" in fields)
  return Array.isArray(fields.messages) && !("chosen" in fields)
}

/** The row. Throws InvalidPreferenceRow naming the field. */
export function parseSupervisedRow(fields: Fields, isStrict = false): SupervisedRow {
  const name = ["response", "completion"].find((field) => field in fields)
  const shape: ReadFields =
    name === undefined
      ? { reads: { "": ["id", "messages", "tools"] }, leaves: ["prompt", "prompt_id", "source"] }
      : { reads: { "": ["id", "prompt", name, "tools"] } }
  if (isStrict) refuseUnread(fields, shape)
  const text = name === undefined ? lastAnswer(fields) : promptAndResponse(fields, name)
  refuseBrokenText(text)
  return { id: readId(fields, "id"), text, unread: unreadFields(fields, shape) }
}

function promptAndResponse(fields: Fields, name: string): ResponseText {
  const tools = readTools(fields.tools, "tools")
  const [prompt, response] = [readText(fields.prompt, "prompt"), readText(fields[name], name)]
  if (typeof prompt === "string" && typeof response === "string" && tools === undefined) return { prompt, response }
  if (typeof prompt !== "string" && typeof response !== "string") return { prompt, response, tools }
  throw new InvalidPreferenceRow(
    "prompt",
    `and ${name} must both be text, or both lists of messages (with tools: messages)`,
  )
}

function lastAnswer(fields: Fields): ResponseText {
  const messages = readMessages(fields.messages, "messages")
  const prompt = messages.slice(0, -1)
  if (messages.at(-1)?.role !== "assistant" || prompt.length === 0) {
    throw new InvalidPreferenceRow("messages", "must end with an assistant's answer to something; drop the row")
  }
  return { prompt, response: messages.slice(-1), tools: readTools(fields.tools, "tools") }
}
