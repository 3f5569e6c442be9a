// Chat messages of every shape: read strictly, and the split of whole conversations into a shared prompt and two responses.
import { findDuplicateKey } from "#shared/formats/json-object.ts"
import { parseTools } from "#shared/tokenisation/exact-json.ts"
import {
  asWord,
  type Fields,
  InvalidPreferenceRow,
  isRecord,
  type Message,
  readString,
  refuseUnreadable,
  type Text,
} from "./record.ts"

/** What a message may hold beside role and content, by its role. */
const MORE_FIELDS: Readonly<Record<string, readonly string[]>> = {
  assistant: ["tool_calls", "reasoning_content"],
  tool: ["tool_call_id", "name"],
}

/** ShareGPT's names of who speaks, as LLaMA-Factory and axolotl read them. */
const SPEAKERS: Readonly<Record<string, string>> = {
  ...{ human: "user", user: "user", gpt: "assistant", assistant: "assistant", system: "system" },
  ...{ observation: "tool", tool: "tool", function_call: "assistant" },
}

/** What people call the roles that chat templates know. */
const ROLE_NAMES: Readonly<Record<string, string>> = {
  ...SPEAKERS,
  ...{ ai: "assistant", bot: "assistant", chatgpt: "assistant", model: "assistant", prompter: "user" },
}

/** Whether a word is anybody's who speaks in conversations, under whatever name. */
export const isSpeaker = (name: unknown): boolean =>
  typeof name === "string" &&
  (Object.hasOwn(ROLE_NAMES, name.toLowerCase()) || name === "developer" || name === "function")

const ROLES = "the roles are system, user, assistant and tool"

/** Whether a value is meant as a message, in either spelling. */
export function isMessageLike(value: unknown): value is Fields {
  return isRecord(value) && ("role" in value || ("from" in value && "value" in value))
}

/** The names of a message's fields that are read. */
export function readFieldsOf(message: Fields): readonly string[] {
  if (!("role" in message)) return ["from", "value"]
  const role = asWord(message.role)
  return ["role", "content", ...(Object.hasOwn(MORE_FIELDS, role) ? MORE_FIELDS[role]! : [])]
}

/** An answer that is text, beside messages, as the assistant's turn. */
export const answerTurn = (content: string): Message[] => [{ role: "assistant", content }]

/** A list of messages. Fields that are null count as absent; unknown ones are left alone. Throws InvalidPreferenceRow. */
export function readMessages(value: unknown, path: string): Message[] {
  refuseUnreadable(value, path)
  if (value === undefined || value === null)
    throw new InvalidPreferenceRow(path, `is ${value === null ? "null" : "missing"}; give a list of messages`)
  if (!Array.isArray(value)) throw new InvalidPreferenceRow(path, "must be a list of messages, as the other parts are")
  return value.map((message, index) => readMessage(message, `${path}.${index}`))
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
  refuseUnreadable(value, path)
  if (Array.isArray(value)) return readMessages(value, path)
  throw new InvalidPreferenceRow(path, "must be text or a list of messages")
}

/** One message, as role and content or as ShareGPT's from and value. */
export function readMessage(value: unknown, where: string): Message {
  if (!isRecord(value)) throw new InvalidPreferenceRow(where, "must be an object with role and content")
  if (isMessageLike(value) && !("role" in value)) return readSpoken(value, where)
  const present = Object.fromEntries(Object.entries(value).filter(([, member]) => member !== null))
  const role = readRole(present, where)
  const known = readFieldsOf({ role })
  const given = Object.fromEntries(Object.entries(present).filter(([field]) => known.includes(field)))
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

function readRole(message: Fields, where: string): string {
  const role = readString(message, "role", `${where}.`)
  if (role === "") throw new InvalidPreferenceRow(`${where}.role`, "is empty; use system, user or assistant")
  const word = role.toLowerCase()
  const meant = Object.hasOwn(ROLE_NAMES, word) ? ROLE_NAMES[word] : undefined
  if (meant === undefined || meant === role || role === "observation" || role === "function_call") return role
  throw new InvalidPreferenceRow(
    `${where}.role`,
    `is ${JSON.stringify(role)}, which chat templates do not know; call it ${JSON.stringify(meant)} (${ROLES})`,
  )
}

/** {from, value}: a function call holds the call as JSON. */
function readSpoken(message: Fields, where: string): Message {
  const from = readString(message, "from", `${where}.`)
  const role = Object.hasOwn(SPEAKERS, from) ? SPEAKERS[from] : undefined
  if (role === undefined) {
    const known = Object.keys(SPEAKERS).join(", ")
    throw new InvalidPreferenceRow(`${where}.from`, `is ${JSON.stringify(from)}; use one of ${known}`)
  }
  const content = readString(message, "value", `${where}.`)
  if (from !== "function_call") return { role, content }
  const call = parsedTools(content)
  if (isRecord(call)) return { role, content: "", tool_calls: [{ type: "function", function: call }] }
  throw new InvalidPreferenceRow(
    `${where}.value`,
    "must be a JSON object with the called function's name and arguments",
  )
}

/** JSON that a text holds; undefined where it is none. Throws InvalidPreferenceRow for a key that stands twice. */
function parsedTools(text: string): unknown {
  let value: unknown
  try {
    value = parseTools(text)
  } catch {
    return undefined
  }
  const repeated = findDuplicateKey(text)
  if (repeated === undefined) return value
  throw new InvalidPreferenceRow(repeated, "is there twice in one object of a tool; keep one")
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
  return readString(given, "text", `${where}.`)
}

/** Tool descriptions beside messages: a list, its JSON text (as tables hold it), or nothing. */
export function readTools(value: unknown, path: string): readonly unknown[] | undefined {
  let tools = value
  if (typeof value === "string" && value !== "") {
    tools = parsedTools(value)
    if (tools === undefined) throw new InvalidPreferenceRow(path, "is no JSON; give a list of tool descriptions")
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
