// Prompts that models are to answer, as JSON Lines: {"id", "prompt": text | messages}, each line an id of its own. A suite's line may also say what
// its prompt is one of, and two answers of which people preferred one.
import { readJsonObject } from "#shared/formats/json-object.ts"
import { parseRow } from "#shared/tokenisation/exact-json.ts"
import { readText } from "./messages.ts"
import { type Fields, InvalidPreferenceRow, isRecord, type Text } from "./record.ts"

export interface PromptRow {
  /** As it is written: text or a whole number. */
  readonly id: string | number
  /** Counted from 1. */
  readonly line: number
  readonly prompt: Text
}

export interface SuitePrompt extends PromptRow {
  /** Texts of its "metadata", by their names: {"setting": "support", "language": "ja"}. */
  readonly groups: Readonly<Record<string, string>>
  /** Its "chosen" and "rejected": answers alone, without the prompt. */
  readonly stated: { readonly chosen: Text; readonly rejected: Text } | undefined
}

/** The suite cannot be used; the message says where and how to mend it. */
export class InvalidSuite extends Error {
  readonly _tag = "InvalidSuite"
}

/** What names a group: longer texts are no names. */
const LONGEST_GROUP = 200
const MOST_GROUPS = 16

/** Reads ids and prompts of objects in the order of their lines; two lines of one id are refused. */
export class PromptReader {
  readonly #lineOf = new Map<string, number>()

  /** Throws InvalidPreferenceRow. */
  read(line: number, { id: given, prompt }: Fields): PromptRow {
    const id = readId(given)
    const earlier = this.#lineOf.get(String(id))
    if (earlier !== undefined)
      throw new InvalidPreferenceRow(
        "",
        `id ${JSON.stringify(id)} is that of line ${earlier} too; give each prompt its own`,
      )
    this.#lineOf.set(String(id), line)
    return { id, line, prompt: readFilled(prompt, "prompt") }
  }
}

function readId(id: unknown): string | number {
  if ((typeof id === "string" && id !== "") || Number.isSafeInteger(id)) return id as string | number
  throw new InvalidPreferenceRow(
    "",
    `"id" is ${id === undefined ? "missing" : "no text"}; give each prompt a text or a whole number`,
  )
}

function readFilled(value: unknown, path: string): Text {
  const text = readText(value, path)
  if (text.length === 0) throw new InvalidPreferenceRow(path, "is empty; give text or at least one message")
  return text
}

const FAULTS = {
  notUtf8: "is not UTF-8; save the suite as UTF-8",
  notJson: "is not JSON; write one JSON object a line",
  notObject: "is not a JSON object; write one object a line",
  repeatedKey: (key: string) => `has "${key}" twice; keep one`,
}

/** All prompts of a suite. Throws InvalidSuite. */
export function readSuite(bytes: Uint8Array): SuitePrompt[] {
  const reader = new PromptReader()
  const prompts: SuitePrompt[] = []
  for (const [line, part] of linesOf(bytes)) {
    const refused = (fault: string) => new InvalidSuite(`line ${line} ${fault}`)
    const fields = readJsonObject(part, FAULTS, refused, parseRow)
    try {
      prompts.push({ ...reader.read(line, fields), groups: groupsOf(fields), stated: statedOf(fields) })
    } catch (cause) {
      throw cause instanceof InvalidPreferenceRow ? new InvalidSuite(`line ${line}: ${cause.message}`) : cause
    }
  }
  if (prompts.length === 0) throw new InvalidSuite("it holds no prompts; give at least one line")
  return prompts
}

function* linesOf(bytes: Uint8Array): Generator<readonly [line: number, bytes: Uint8Array]> {
  let start = 0
  for (let line = 1; start < bytes.length; line++) {
    const newline = bytes.indexOf(0x0a, start)
    const end = newline < 0 ? bytes.length : newline
    const part = bytes.subarray(start, end)
    if (part.some((byte) => byte !== 0x20 && byte !== 0x09 && byte !== 0x0d)) yield [line, part]
    start = end + 1
  }
}

function groupsOf({ metadata }: Fields): SuitePrompt["groups"] {
  if (!isRecord(metadata)) return {}
  const isGroup = ([, value]: [string, unknown]) =>
    typeof value === "string" && value !== "" && value.length <= LONGEST_GROUP
  return Object.fromEntries(Object.entries(metadata).filter(isGroup).slice(0, MOST_GROUPS)) as SuitePrompt["groups"]
}

function statedOf({ chosen, rejected }: Fields): SuitePrompt["stated"] {
  if (chosen === undefined && rejected === undefined) return undefined
  return { chosen: readFilled(chosen, "chosen"), rejected: readFilled(rejected, "rejected") }
}
