// Oniguruma's character classes: [^a-z\p{L}[:space:][nested]]. Intersections, and negated classes inside others, are not known.
import { escaped, FOLDED, literalEscape } from "./expression-escapes.ts"

const POSIX: ReadonlyMap<string, string> = new Map([
  ["[:alpha:]", "\\p{Alphabetic}"],
  ["[:digit:]", "\\p{Nd}"],
  ["[:alnum:]", "\\p{Alphabetic}\\p{Nd}"],
  ["[:space:]", "\\p{White_Space}"],
  ["[:punct:]", "\\p{P}\\p{S}"],
])

interface Bracketed {
  readonly translated: string
  /** Where the source goes on. */
  readonly end: number
}

/** The class that begins at a place of the source; undefined where it is not known. Under `folds` nothing but ASCII is. */
export function bracketed(source: string, start: number, folds: boolean): Bracketed | undefined {
  const isNegated = source[start + 1] === "^"
  const members = membersOf(source, start + (isNegated ? 2 : 1), folds)
  return members && { translated: `[${isNegated ? "^" : ""}${members.translated}]`, end: members.end }
}

/** What stands between the brackets, and where the source goes on behind them. */
function membersOf(source: string, start: number, folds: boolean): Bracketed | undefined {
  let translated = ""
  let at = start
  while (at < source.length) {
    if (source[at] === "]" && at > start) return translated === "" ? undefined : { translated, end: at + 1 }
    if (source.startsWith("&&", at)) return undefined
    const posix = /^\[:\^?\w+:\]/.exec(source.slice(at))?.[0]
    const inner = posix === undefined && source[at] === "[" ? nested(source, at, folds) : undefined
    if (posix !== undefined) {
      const known = POSIX.get(posix)
      if (known === undefined || folds) return undefined
      translated += known
      at += posix.length
    } else if (source[at] === "[") {
      if (inner === undefined) return undefined
      translated += inner.translated
      at = inner.end
    } else {
      const range = rangeOf(source, at, folds)
      if (range === undefined) return undefined
      translated += range.translated
      at = range.end
    }
  }
  return undefined
}

function nested(source: string, at: number, folds: boolean): Bracketed | undefined {
  return source[at + 1] === "^" ? undefined : membersOf(source, at + 1, folds)
}

/** A character, a set, or a range of two characters. */
function rangeOf(source: string, at: number, folds: boolean): Bracketed | undefined {
  const first = memberOf(source, at, folds)
  if (first === undefined) return undefined
  const isRange = source[first.end] === "-" && source[first.end + 1] !== "]" && source[first.end + 1] !== undefined
  if (!isRange) return first
  const last = memberOf(source, first.end + 1, folds)
  if (last === undefined || first.isSet || last.isSet) return undefined
  if (folds) return foldedRange(source.slice(at, last.end), last.end)
  return { translated: `${first.translated}-${last.translated}`, end: last.end }
}

/** Ranges of digits, and of all letters: others would have to be taken apart. */
function foldedRange(range: string, end: number): Bracketed | undefined {
  if (/^\d-\d$/.test(range)) return { translated: range, end }
  return range === "a-z" || range === "A-Z" ? { translated: "a-zA-Z\\u017F\\u212A", end } : undefined
}

function memberOf(source: string, at: number, folds: boolean): (Bracketed & { readonly isSet: boolean }) | undefined {
  if (source[at] === "\\") {
    const found = literalEscape(source.slice(at))
    if (found === undefined || (folds && !found.isCaseless)) return undefined
    // A negated set among others: only as \P{…}, \S, \D and their like, which JavaScript has as well.
    const set = found.set !== undefined && found.isNegated ? negated(found.set) : found.set
    if (found.set !== undefined && set === undefined) return undefined
    return { translated: set ?? found.character, end: at + found.length, isSet: found.set !== undefined }
  }
  const character = String.fromCodePoint(source.codePointAt(at)!)
  if (character === "[" || (folds && character.charCodeAt(0) > 0x7f)) return undefined
  const cases = folds ? FOLDED.get(character) : undefined
  return { translated: cases ?? escaped(character), end: at + character.length, isSet: false }
}

function negated(set: string): string | undefined {
  return /^\\p\{[^}]+\}$/.test(set) ? set.replace("\\p", "\\P") : undefined
}
