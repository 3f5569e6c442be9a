// Whether a text is messages that a table holds as text: as JSON, as Python prints them, or broken. A text about messages, or an answer that
// is JSON of its own, is none.
import { parseRow } from "#shared/tokenisation/exact-json.ts"
import { isMessageLike, isSpeaker } from "./messages.ts"
import { type Fields, isRecord } from "./record.ts"

/** A list of messages, or one, as JSON or as Python prints it: dicts, or objects of a class named so. */
const MESSAGES =
  /^(?:array\(\s?)?(?:\[\s*)?(?:\{\s*["'](?:role|content|from|value)["']\s*:|[\w.]*Message\(\s*(?:role|content)\s*=)/
/**
 * The same with other keys first, in a tuple, a nested list, an OrderedDict or JavaScript's notation, or quoted once more as JSON: what is
 * opened first names a speaker. A text about messages, as a request that holds some, opens something else first.
 */
const OPENS_SPEAKER =
  /^"?(?:(?:np\.)?array\(|OrderedDict\(|[[({]\s?){1,16}[^[{]*?\b(?:role|from)\\?["']?\s*[:,]\s*\\?["'](?:system|developer|user|assistant|tool|function|human|gpt)\\?["']/i
const SAYS = /\b(?:content|value)\\?["']?\s*[:,]/

/** Space is cut off first: patterns that begin with any number of spaces take the square of that number. */
export const isMessages = (value: unknown): value is string => {
  if (typeof value !== "string") return false
  const text = value.trimStart()
  if (!MESSAGES.test(text) && !(OPENS_SPEAKER.test(text) && SAYS.test(text))) return false
  const parsed = parsedJson(text)
  return parsed === undefined ? !goesOn(text) : areMessages(parsed)
}

/** Whether a text is one message as JSON: in a list it would be nothing else, alone it could be an answer as well. */
export const isOneMessage = (text: string): boolean => isRecord(parsedJson(text))

function parsedJson(text: string): unknown {
  try {
    return parseRow(text)
  } catch {
    return undefined
  }
}

/** An object that says who speaks, a list with some or with nothing but contents, or either quoted once more. */
function areMessages(value: unknown): boolean {
  if (typeof value === "string") return isMessages(value)
  if (Array.isArray(value)) {
    return value.flat().some((member) => says(member) || (isRecord(member) && isContentAlone(member)))
  }
  return (
    says(value) && ("role" in value ? isSpeaker(value.role) : isSpeaker(value.from) && typeof value.value === "string")
  )
}

const says = (value: unknown): value is Fields =>
  isMessageLike(value) && (!("role" in value) || "content" in value || "tool_calls" in value)

const isContentAlone = (member: Fields): boolean => Object.keys(member).join() === "content"

const OPENING = new Set("[{(")
const CLOSING = new Set("]})")

/** Where what a text opens first is closed again, in JSON's or Python's notation; undefined: nowhere. */
function endOfOpened(text: string): number | undefined {
  let depth = 0
  let quote: string | undefined
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!
    if (quote !== undefined) {
      if (character === "\\") at += 1
      else if (character === quote) quote = undefined
    } else if (character === '"' || character === "'") quote = character
    else if (OPENING.has(character)) depth += 1
    else if (CLOSING.has(character) && --depth === 0) return at + 1
  }
  return undefined
}

/** Whether words follow on what the text opens: it asks about such a list, and is none. */
function goesOn(text: string): boolean {
  const end = endOfOpened(text)
  return end !== undefined && /^[^[\](){},;"'\\]/.test(text.slice(end).trimStart())
}
