// Rows of supervised fine-tuning: {prompt, response} or TRL's {prompt, completion}, both text or both chat messages, and TRL's
// {messages}, whose last message is the response. Only one answer is scored: earlier ones are part of the prompt.
import { InvalidPreferenceRow } from "#shared/judgement/preference-rows.ts"
import { readMessages, readText, readTools } from "#shared/judgement/sources/messages.ts"
import { type Fields, readId, refuseUnknown } from "#shared/judgement/sources/record.ts"
import { refuseBrokenText } from "#shared/judgement/sources/well-formed.ts"
import type { ResponseText } from "#shared/tokenisation/tokenisation.ts"

export interface SupervisedRow {
  readonly id: string | undefined
  readonly text: ResponseText
}

/** Whether a record is a supervised row, and no preference. */
export function isSupervised(fields: Fields): boolean {
  if ("response" in fields) return true
  if ("completion" in fields) return !("label" in fields)
  return Array.isArray(fields.messages) && !("chosen" in fields)
}

/** The row. Throws InvalidPreferenceRow naming the field. */
export function parseSupervisedRow(fields: Fields): SupervisedRow {
  refuseBrokenText(fields)
  const id = readId(fields, "id")
  if (!("response" in fields || "completion" in fields)) return { id, text: lastAnswer(fields) }
  const name = "response" in fields ? "response" : "completion"
  refuseUnknown(fields, ["id", "prompt", name, "tools"], "")
  const tools = readTools(fields.tools, "tools")
  const [prompt, response] = [readText(fields.prompt, "prompt"), readText(fields[name], name)]
  if (typeof prompt === "string" && typeof response === "string" && tools === undefined) {
    return { id, text: { prompt, response } }
  }
  if (typeof prompt !== "string" && typeof response !== "string") return { id, text: { prompt, response, tools } }
  throw new InvalidPreferenceRow(
    "prompt",
    `and ${name} must both be text, or both lists of messages (with tools: messages)`,
  )
}

function lastAnswer(fields: Fields): ResponseText {
  refuseUnknown(fields, ["id", "messages", "tools", "prompt", "prompt_id", "source"], "")
  const messages = readMessages(fields.messages, "messages")
  const prompt = messages.slice(0, -1)
  if (messages.at(-1)?.role !== "assistant" || prompt.length === 0) {
    throw new InvalidPreferenceRow("messages", "must end with an assistant's answer to something; drop the row")
  }
  return { prompt, response: messages.slice(-1), tools: readTools(fields.tools, "tools") }
}
