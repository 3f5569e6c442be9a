// How the members of a tokenizer.json's long lists are read from its bytes, straight into tables: what is not written in the usual way
// is left to be read as JSON with the rest of the file.
import type { MergeTable } from "./encoder/merge-table.ts"
import type { ScoredTokens } from "./encoder/scored-tokens.ts"
import { isUtf8 } from "./encoder/utf8.ts"
import type { Vocabulary } from "./encoder/vocabulary.ts"
import { InvalidTokenizer } from "./invalid-tokenizer.ts"

/** The bytes end within the member. */
export const NEEDS_MORE = -1
/** The member is to be read as JSON. */
export const LEFT = -2

/** Takes the member that begins at a byte; returns where it ends, or one of the above. Throws InvalidTokenizer where it is no JSON. */
export type TakeMember = (bytes: Uint8Array, at: number, end: number) => number

export const BYTE = {
  ...{ quote: 0x22, comma: 0x2c, colon: 0x3a, openList: 0x5b, backslash: 0x5c, closeList: 0x5d, openObject: 0x7b },
  closeObject: 0x7d,
} as const
const ZERO = 0x30
const SPACE = 0x20
/** Ids of more are looked at as values. */
const MOST_DIGITS = 9

export const notJson = (): InvalidTokenizer =>
  new InvalidTokenizer("tokenizer.json is not JSON; fetch the model folder again")

export function skipSpace(bytes: Uint8Array, at: number, end: number): number {
  let next = at
  while (next < end && isSpace(bytes[next]!)) next++
  return next
}

function isSpace(byte: number): boolean {
  return byte === SPACE || byte === 0x0a || byte === 0x0d || byte === 0x09
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= 0x39
}

const endsValue = (byte: number): boolean =>
  isSpace(byte) || byte === BYTE.comma || byte === BYTE.closeObject || byte === BYTE.closeList

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** The string that was read last. */
class JsonString {
  start = 0
  /** its closing quote */
  end = 0
  private hasEscape = false
  private isAscii = true

  /** Reads the string whose opening quote stands at a byte; false where the bytes end before it does. Throws InvalidTokenizer. */
  read(bytes: Uint8Array, quote: number, end: number): boolean {
    this.start = quote + 1
    this.hasEscape = false
    this.isAscii = true
    for (let at = quote + 1; at < end; at++) {
      const byte = bytes[at]!
      if (byte === BYTE.quote) {
        this.end = at
        return true
      }
      if (byte < SPACE) throw notJson()
      if (byte === BYTE.backslash) {
        this.hasEscape = true
        at++
      } else if (byte >= 0x80) this.isAscii = false
    }
    return false
  }

  /** Its text, where the bytes between the quotes are not the text's own. Throws InvalidTokenizer. */
  escaped(bytes: Uint8Array): string | undefined {
    if (!this.hasEscape) return undefined
    try {
      return JSON.parse(decoder.decode(bytes.subarray(this.start - 1, this.end + 1))) as string
    } catch {
      throw notJson()
    }
  }

  addTo(vocabulary: Vocabulary, bytes: Uint8Array, id: number): void {
    const text = this.escaped(bytes)
    if (text !== undefined) vocabulary.addText(text, id)
    else if (this.isAscii || isUtf8(bytes, this.start, this.end)) vocabulary.add(bytes, this.start, this.end, id)
    else throw notJson()
  }

  entryIn(vocabulary: Vocabulary, bytes: Uint8Array): number {
    const text = this.escaped(bytes)
    return text === undefined ? vocabulary.find(bytes, this.start, this.end) : vocabulary.findText(text)
  }
}

const string = new JsonString()
const second = new JsonString()

/** `"token": id` of BPE's vocab. */
export const takeEntry =
  (vocabulary: Vocabulary): TakeMember =>
  (bytes, at, end) => {
    if (bytes[at] !== BYTE.quote) throw notJson()
    if (!string.read(bytes, at, end)) return NEEDS_MORE
    const colon = skipSpace(bytes, string.end + 1, end)
    if (colon < end && bytes[colon] !== BYTE.colon) throw notJson()
    const start = skipSpace(bytes, colon + 1, end)
    let next = start
    let id = 0
    for (; next < end && isDigit(bytes[next]); next++) id = id * 10 + bytes[next]! - ZERO
    if (next >= end) return NEEDS_MORE
    const digits = next - start
    const isUsual = digits > 0 && digits <= MOST_DIGITS && (digits === 1 || bytes[start] !== ZERO)
    if (!isUsual || !endsValue(bytes[next]!)) return LEFT
    string.addTo(vocabulary, bytes, id)
    return next
  }

/** A member of a list of which nothing more is taken once one was left: its members' places are their ranks or ids. */
const inOrder = (take: TakeMember): TakeMember => {
  let isLeft = false
  return (bytes, at, end) => {
    const next = isLeft ? LEFT : take(bytes, at, end)
    isLeft = next === LEFT
    return next
  }
}

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/

/** `["token", score]` of Unigram's vocab. */
export const takeScored = (tokens: ScoredTokens): TakeMember =>
  inOrder((bytes, at, end) => {
    if (bytes[at] !== BYTE.openList) return LEFT
    const quote = skipSpace(bytes, at + 1, end)
    if (quote >= end) return NEEDS_MORE
    if (bytes[quote] !== BYTE.quote) return LEFT
    if (!string.read(bytes, quote, end)) return NEEDS_MORE
    const comma = skipSpace(bytes, string.end + 1, end)
    const start = skipSpace(bytes, comma + 1, end)
    let next = start
    while (next < end && !endsValue(bytes[next]!)) next++
    const close = skipSpace(bytes, next, end)
    if (close >= end) return NEEDS_MORE
    const number = String.fromCharCode(...bytes.subarray(start, Math.min(next, start + 64)))
    const isUsual = bytes[comma] === BYTE.comma && bytes[close] === BYTE.closeList && next - start < 64
    if (!isUsual || !NUMBER.test(number)) return LEFT
    string.addTo(tokens.vocabulary, bytes, tokens.vocabulary.size)
    tokens.score(Number(number))
    return close + 1
  })

function spaceFrom(bytes: Uint8Array, at: number, end: number): number {
  let space = at
  while (space < end && bytes[space] !== SPACE) space++
  return space
}

const VERSION = new TextEncoder().encode("#version")
/** The first line of GPT-2's file of merges, which some took along. */
const isVersion = (bytes: Uint8Array, at: number): boolean => VERSION.every((byte, index) => bytes[at + index] === byte)

/** `"left right"` or `["left", "right"]` of BPE's merges. */
export const takeMerge = (merges: MergeTable, vocabulary: Vocabulary): TakeMember => {
  const add = (left: number, right: number, next: number): number => {
    if (left < 0 || right < 0) return LEFT
    merges.add(left, right)
    return next
  }
  return inOrder((bytes, at, end) => {
    if (bytes[at] === BYTE.quote) {
      if (!string.read(bytes, at, end)) return NEEDS_MORE
      const next = string.end + 1
      const text = string.escaped(bytes)
      if (text !== undefined) {
        if (text.startsWith("#version")) return next
        const [left, right, more] = text.split(" ")
        if (right === undefined || more !== undefined) return LEFT
        return add(vocabulary.findText(left!), vocabulary.findText(right), next)
      }
      if (isVersion(bytes, string.start)) return next
      const space = spaceFrom(bytes, string.start, string.end)
      if (space === string.end || spaceFrom(bytes, space + 1, string.end) !== string.end) return LEFT
      return add(vocabulary.find(bytes, string.start, space), vocabulary.find(bytes, space + 1, string.end), next)
    }
    if (bytes[at] !== BYTE.openList) return LEFT
    const first = skipSpace(bytes, at + 1, end)
    if (first >= end) return NEEDS_MORE
    if (bytes[first] !== BYTE.quote) return LEFT
    if (!string.read(bytes, first, end)) return NEEDS_MORE
    const comma = skipSpace(bytes, string.end + 1, end)
    const other = skipSpace(bytes, comma + 1, end)
    if (other >= end) return NEEDS_MORE
    if (bytes[comma] !== BYTE.comma || bytes[other] !== BYTE.quote) return LEFT
    if (!second.read(bytes, other, end)) return NEEDS_MORE
    const close = skipSpace(bytes, second.end + 1, end)
    if (close >= end) return NEEDS_MORE
    if (bytes[close] !== BYTE.closeList) return LEFT
    return add(string.entryIn(vocabulary, bytes), second.entryIn(vocabulary, bytes), close + 1)
  })
}
