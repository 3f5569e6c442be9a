// Chat messages of every shape: read strictly, and the split of whole conversations into a shared prompt and two responses.
import { parseTools } from "#shared/tokenisation/exact-json.ts"
import {
  type Fields,
  InvalidPreferenceRow,
  isRecord,
  type Message,
  readString,
  refuseUnknown,
  type Text,
} from "./record.ts"

/** What a message may hold beside role and content, by its role. */
const MORE_FIELDS: Readonly<Record<string, readonly string[]>> = {
  assistant: ["tool_calls", "reasoning_content"],
  tool: ["tool_call_id", "name"],
}

/** A list of messages. Fields that are null count as absent; `ignored` ones are left out. Throws InvalidPreferenceRow. */
export function readMessages(value: unknown, path: string, ignored: readonly string[] = []): Message[] {
  if (!Array.isArray(value)) throw new InvalidPreferenceRow(path, "must be a list of messages, as the other parts are")
  return value.map((message, index) => readMessage(message, `${path}.${index}`, ignored))
}

/** As readMessages, for a prompt, which needs at least one message. */
export function readPromptMessages(value: unknown, path: string): Message[] {
  const messages = readMessages(value, path)
  if (messages.length === 0) throw new InvalidPreferenceRow(path, "is empty; give at least one message")
  return messages
}

/** Text or messages. */
export function readText(value: unknown, path: string): Text {
  if (typeof value === "string") return value
  if (value === undefined) throw new InvalidPreferenceRow(path, "is missing; give text or a list of messages")
  if (Array.isArray(value)) return readMessages(value, path)
  throw new InvalidPreferenceRow(path, "must be text or a list of messages")
}

function readMessage(value: unknown, where: string, ignored: readonly string[]): Message {
  if (!isRecord(value)) throw new InvalidPreferenceRow(where, "must be an object with role and content")
  const given = Object.fromEntries(
    Object.entries(value).filter(([field, member]) => member !== null && !ignored.includes(field)),
  )
  const role = readString(given, "role", `${where}.`)
  if (role === "") throw new InvalidPreferenceRow(`${where}.role`, "is empty; use system, user or assistant")
  refuseUnknown(given, ["role", "content", ...(MORE_FIELDS[role] ?? [])], `${where}.`)
  const { tool_calls: toolCalls } = given
  if (toolCalls !== undefined && !Array.isArray(toolCalls)) {
    throw new InvalidPreferenceRow(`${where}.tool_calls`, "must be a list of calls")
  }
  const isCall = toolCalls !== undefined && toolCalls.length > 0
  const content = given.content === undefined && isCall ? "" : readContent(given, where)
  const more: { reasoning_content?: string; tool_call_id?: string; name?: string } = {}
  for (const field of ["reasoning_content", "tool_call_id", "name"] as const) {
    if (field in given) more[field] = readString(given, field, `${where}.`)
  }
  return { role, content, ...(isCall ? { tool_calls: toolCalls } : {}), ...more }
}

/** Text, or a list of parts that are all text, as vision models' data has it. */
function readContent(message: Fields, where: string): string {
  const { content } = message
  if (!Array.isArray(content) || content.length === 0) return readString(message, "content", `${where}.`)
  return content.map((part, index) => readPart(part, `${where}.content.${index}`)).join("")
}

function readPart(part: unknown, where: string): string {
  if (!isRecord(part)) throw new InvalidPreferenceRow(where, "must be an object with type and text")
  const given = Object.fromEntries(Object.entries(part).filter(([, member]) => member !== null))
  if (given.type !== "text") {
    throw new InvalidPreferenceRow(
      where,
      `is of type ${JSON.stringify(given.type)}; only text can be trained on, drop the row`,
    )
  }
  refuseUnknown(given, ["type", "text"], `${where}.`)
  return readString(given, "text", `${where}.`)
}

/** Tool descriptions beside messages: a list, its JSON text (as tables hold it), or nothing. */
export function readTools(value: unknown, path: string): readonly unknown[] | undefined {
  let tools = value
  if (typeof value === "string" && value !== "") {
    try {
      tools = parseTools(value)
    } catch {
      throw new InvalidPreferenceRow(path, "is no JSON; give a list of tool descriptions")
    }
  }
  if (tools === undefined || tools === null || tools === "") return undefined
  if (!Array.isArray(tools)) throw new InvalidPreferenceRow(path, "must be a list of tool descriptions")
  return tools.length > 0 ? tools : undefined
}

/** Whole conversations to the messages that both begin with and what follows in each. */
export function splitCommonPrefix(
  chosen: readonly Message[],
  rejected: readonly Message[],
): { readonly prompt: readonly Message[]; readonly chosen: readonly Message[]; readonly rejected: readonly Message[] } {
  let shared = 0
  while (shared < Math.min(chosen.length, rejected.length) && isSame(chosen[shared]!, rejected[shared]!)) shared++
  if (shared === 0) {
    throw new InvalidPreferenceRow(
      "prompt",
      "is missing, and chosen and rejected share no first message; give the prompt",
    )
  }
  if (shared === chosen.length && shared === rejected.length) {
    throw new InvalidPreferenceRow("rejected", "is the same as chosen; drop the row", "identical")
  }
  return { prompt: chosen.slice(0, shared), chosen: chosen.slice(shared), rejected: rejected.slice(shared) }
}

function isSame(a: Message, b: Message): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
