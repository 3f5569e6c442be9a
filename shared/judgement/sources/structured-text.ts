// Tables of text (CSV) and some exports hold lists and objects as their JSON text. Here it becomes what it says again, so that a shape
// is the same in every container. What Python prints for a list is no JSON and is refused: read as text, it would be learnt.
import { findDuplicateKey } from "#shared/formats/json-object.ts"
import { parseRow } from "#shared/tokenisation/exact-json.ts"
import { isMessages, isOneMessage } from "./message-text.ts"
import { type Fields, InvalidPreferenceRow } from "./record.ts"
import { refuseDepth } from "./well-formed.ts"

/** Fields that are lists or objects in every shape that has them. */
const STRUCTURES: readonly string[] = [
  ...["answers", "responses", "scores", "generations", "ratings", "completions", "candidates", "judgement", "history"],
  ...["preferred_output", "non_preferred_output", "conversations", "conversation", "messages", "context"],
  ...["options", "accept", "data", "annotations", "annotation", "task", "fields"],
]

/** Fields that are text or messages. */
const CONVERSATIONS: readonly string[] = ["conversations", "conversation", "messages"]
const RESPONSES: readonly string[] = ["chosen", "rejected", "completion", "response"]

const EXPORTED = /\.responses(?:\.users|\.status)?$/
const OPENS = /^\s*[[{]/
/** The record with its JSON texts parsed. Throws InvalidPreferenceRow for messages that are written otherwise. */
export function withStructures(fields: Fields): Fields {
  const parsed: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value !== "string" || !OPENS.test(value)) continue
    const isStructure = STRUCTURES.includes(name) || EXPORTED.test(name)
    // OpenAI's input and an OpenAssistant tree are objects; elsewhere these names hold text.
    const isRoot =
      (name === "input" && "preferred_output" in fields) || (name === "prompt" && "message_tree_id" in fields)
    if (isStructure || isRoot) parsed[name] = parsedText(value) ?? value
  }
  for (const name of messageTexts(fields)) parsed[name] = messagesOf(fields[name] as string, name)
  return Object.keys(parsed).length === 0 ? fields : { ...fields, ...parsed }
}

/** Fields whose text is messages: only where every response is, since a response may be about such a list. */
function messageTexts(fields: Fields): readonly string[] {
  const prompt = isMessages(fields.prompt) ? ["prompt"] : []
  const responses = RESPONSES.filter((name) => typeof fields[name] === "string")
  if (!responses.every((name) => isMessages(fields[name]))) return prompt
  const isText = typeof fields.prompt === "string" && prompt.length === 0
  const [one] = responses.filter((name) => isOneMessage(fields[name] as string))
  if (one === undefined || !isText || CONVERSATIONS.some((name) => name in fields)) return [...responses, ...prompt]
  throw new InvalidPreferenceRow(
    one,
    "is one message as JSON, which may as well be what was answered; write prompt and answers as lists of messages",
  )
}

function messagesOf(text: string, name: string): unknown {
  const value = parsedText(text)
  if (isMessages(value)) return messagesOf(value, name)
  if (value !== undefined) return value
  // Python's own notation has single quotes.
  const isMeantAsJson = /^\[?\s*\{\s*"/.test(text.trimStart())
  throw new InvalidPreferenceRow(
    name,
    isMeantAsJson
      ? `is a list of messages whose JSON is broken; ${mendOfJson(text)}`
      : "is a list of messages as Python prints it, which is no JSON; write the column with json.dumps, or the table as JSON Lines or Parquet",
  )
}

const STRINGS = /"(?:[^"\\]|\\.)*"?/g
const ONE_OBJECT_A_LINE = "write one JSON object a line"
/** Of a longer text the cause is not looked for. */
const MOST_CHARACTERS = 100_000

/** How a text that is no JSON is mended, by what usually keeps it from being some. */
export function mendOfJson(text: string): string {
  if (text.length > MOST_CHARACTERS) return ONE_OBJECT_A_LINE
  const bare = text.replace(STRINGS, '""')
  const [number] = /-?\b(?:NaN|Infinity)\b/.exec(bare) ?? []
  if (number !== undefined) return `${number} is no JSON number; write null (Python: json.dumps with allow_nan=False)`
  if (/^\s*\{\s*'/.test(text)) return "it is written as Python prints it; write it with json.dumps"
  const depth = (bare.match(/[[{]/g)?.length ?? 0) - (bare.match(/[\]}]/g)?.length ?? 0)
  if (depth > 0) return "it ends before what it opens is closed; write each object whole, on one line"
  return ONE_OBJECT_A_LINE
}

function parsedText(text: string): unknown {
  try {
    return parsedCell(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** What a cell's JSON says. Throws SyntaxError, and InvalidPreferenceRow where it nests too deep or repeats a key. */
export function parsedCell(text: string): unknown {
  const value = parseRow(text)
  refuseDepth(value)
  const repeated = findDuplicateKey(text)
  if (repeated === undefined) return value
  throw new InvalidPreferenceRow(repeated, "is there twice in one object of a cell; keep one")
}
