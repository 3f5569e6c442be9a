// JSON as templates must see it. JSON.parse loses how a number was written (1.0, 1e-07, integers beyond 2^53) and puts keys that are
// whole numbers first; Python's json does neither. Inside of `tools` and `tool_calls`, which templates print, numbers that
// would differ keep their text (as JSON.rawJSON, which JSON.stringify writes as it stands), and objects know their keys' order.

interface RawJson {
  readonly rawJSON: string
}

const { rawJSON, isRawJSON } = JSON as unknown as {
  readonly rawJSON: (text: string) => RawJson
  readonly isRawJSON: (value: unknown) => value is RawJson
}

const KEY_ORDER = Symbol("keys as written")

/** Members of a row that templates print. */
const PRINTED = /"(?:tools|tool_calls)"/
const MAY_DIFFER = /\d[.eE]|\d{16}|"\d+"\s*:/

/** As JSON.parse, exact inside of members named tools and tool_calls. Throws SyntaxError. */
export function parseRow(text: string): unknown {
  const value: unknown = JSON.parse(text)
  return PRINTED.test(text) && MAY_DIFFER.test(text) ? new ExactReader(text).read(false) : value
}

/** As JSON.parse, exact throughout: a list of tools that is held as text. Throws SyntaxError. */
export function parseTools(text: string): unknown {
  const value: unknown = JSON.parse(text)
  return MAY_DIFFER.test(text) ? new ExactReader(text).read(true) : value
}

/** The text of a number as it was written, or as JSON.stringify writes it; undefined for what is no number. */
export function numberText(value: unknown): string | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? JSON.stringify(value) : String(value)
  return isRawJSON(value) ? value.rawJSON : undefined
}

/** Members of an object in the order in which they were written. */
export function membersOf(value: object): readonly (readonly [key: string, member: unknown])[] {
  const order = (value as { readonly [KEY_ORDER]?: readonly string[] })[KEY_ORDER]
  return order?.map((key) => [key, (value as Record<string, unknown>)[key]] as const) ?? Object.entries(value)
}

/** What Python's json reads from a number's text. */
export function numberOfText(text: string): bigint | number {
  return /^-?\d+$/.test(text) ? BigInt(text) : Number(text)
}

const SPACE = /\s*/y
const WORD = /[^\s,\]}]+/y
const STRING = /"[^"\\]*(?:\\.[^"\\]*)*"/y

/** Reads text that JSON.parse has taken. */
class ExactReader {
  private readonly text: string
  private at = 0

  constructor(text: string) {
    this.text = text
  }

  read(isExact: boolean): unknown {
    this.take(SPACE)
    const character = this.text[this.at]
    if (character === "{") return this.readObject(isExact)
    if (character === "[") return this.readList(isExact)
    if (character === '"') return JSON.parse(this.take(STRING))
    const word = this.take(WORD)
    const value = JSON.parse(word) as unknown
    return typeof value === "number" && isExact && !isPrintedAlike(value, word) ? rawJSON(word) : value
  }

  private readObject(isExact: boolean): object {
    const read: Record<string, unknown> = {}
    const order: string[] = []
    this.readMembers("}", () => {
      const key = JSON.parse(this.take(STRING)) as string
      this.take(SPACE)
      this.at++
      const value = this.read(isExact || key === "tools" || key === "tool_calls")
      Object.defineProperty(read, key, { value, enumerable: true, writable: true, configurable: true })
      order.push(key)
    })
    const isReordered = isExact && Object.keys(read).some((key, index) => key !== order[index])
    return isReordered ? Object.defineProperty(read, KEY_ORDER, { value: order }) : read
  }

  private readList(isExact: boolean): unknown[] {
    const read: unknown[] = []
    this.readMembers("]", () => read.push(this.read(isExact)))
    return read
  }

  private readMembers(closing: string, readMember: () => void): void {
    do {
      this.at++
      this.take(SPACE)
      if (this.text[this.at] === closing) break
      readMember()
      this.take(SPACE)
    } while (this.text[this.at] === ",")
    this.at++
  }

  private take(pattern: RegExp): string {
    pattern.lastIndex = this.at
    const [found] = pattern.exec(this.text)!
    this.at += found.length
    return found
  }
}

/** Whether Python prints the number alike, read from its source or from what JavaScript writes. */
function isPrintedAlike(value: number, source: string): boolean {
  if (!Number.isFinite(value)) return false
  const [written, given] = [numberOfText(JSON.stringify(value)), numberOfText(source)]
  return typeof written === typeof given && Object.is(written, given)
}
