// What a text is cut by: the places of a pattern, and what becomes of the delimiters. Source: tokenizers 0.23,
// src/tokenizer/pattern.rs and normalizer.rs (split).
import { compileExpression } from "./expressions.ts"
import { fault, isPart, type Part, refuse } from "./field.ts"
import { forMatching } from "./unicode-versions.ts"

/** A stretch of a text, which covers it together with its neighbours; `isMatch` where the pattern was found. */
export interface Span {
  readonly start: number
  readonly end: number
  readonly isMatch: boolean
}

/** Finds a pattern in a text: the spans in order, covering all of it. */
export type Pattern = (text: string) => Span[]

/** The pattern of a part: {String} or {Regex}. Throws InvalidTokenizer. */
export function patternOf(part: Part): Pattern {
  const { pattern } = part
  if (isPart(pattern) && typeof pattern.String === "string") return literal(pattern.String)
  if (isPart(pattern) && typeof pattern.Regex === "string") return regular(pattern.Regex)
  return fault(`${part.type} has no pattern`)
}

/** A text to be found as it stands. */
export function literal(wanted: string): Pattern {
  if (wanted === "") return refuse("an empty text to split or replace by")
  return (text) => {
    const found: [number, number][] = []
    for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
      found.push([at, at + wanted.length])
    }
    return covering(text, found)
  }
}

/** Single code points of a class. */
export function characters(expression: RegExp): Pattern {
  return (text) =>
    covering(
      text,
      Array.from(text.matchAll(expression), ({ 0: found, index }) => [index, index + found.length] as const),
    )
}

function regular(source: string): Pattern {
  const expression = compileExpression(source)
  return (text) => covering(text, matches(expression, forMatching(text)))
}

/** Matches as the original finds them: an empty one is skipped where the one before it ended. */
function matches(expression: RegExp, text: string): [number, number][] {
  const found: [number, number][] = []
  let previousEnd = -1
  // Each place is tried by itself: a search of JavaScript's may stop between the halves of a surrogate pair.
  for (let at = 0; at <= text.length; ) {
    expression.lastIndex = at
    const match = expression.exec(text)
    const isFound = match !== null && !(match[0] === "" && at === previousEnd)
    if (isFound) {
      previousEnd = at + match[0].length
      found.push([at, previousEnd])
    }
    if (isFound && match[0] !== "") at = previousEnd
    else at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1
  }
  return found
}

function covering(text: string, found: readonly (readonly [number, number])[]): Span[] {
  const spans: Span[] = []
  let previous = 0
  for (const [start, end] of found) {
    if (previous !== start) spans.push({ start: previous, end: start, isMatch: false })
    spans.push({ start, end, isMatch: true })
    previous = end
  }
  if (previous !== text.length) spans.push({ start: previous, end: text.length, isMatch: false })
  return spans
}

export const DELIMITERS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"] as const
/** What becomes of the delimiters between the pieces. */
export type Delimiters = (typeof DELIMITERS)[number]

/** The pieces of a text, empty ones left out. */
export function cut(spans: readonly Span[], delimiters: Delimiters): { start: number; end: number }[] {
  const pieces =
    delimiters === "Removed"
      ? spans.filter(({ isMatch }) => !isMatch).map(({ start, end }) => ({ start, end }))
      : delimiters === "MergedWithNext"
        ? merged([...spans].reverse(), delimiters).reverse()
        : merged(spans, delimiters)
  return pieces.filter(({ start, end }) => start < end)
}

/** Spans joined with the piece before them where the delimiters say so; "before" is after where the order is reversed. */
function merged(spans: readonly Span[], delimiters: Delimiters): { start: number; end: number }[] {
  const pieces: { start: number; end: number }[] = []
  let wasMatch = false
  for (const { start, end, isMatch } of spans) {
    const joins = delimiters === "Contiguous" ? isMatch === wasMatch : delimiters !== "Isolated" && isMatch && !wasMatch
    const last = joins ? pieces.at(-1) : undefined
    if (last === undefined) pieces.push({ start, end })
    else if (delimiters === "MergedWithNext") last.start = start
    else last.end = end
    wasMatch = isMatch
  }
  return pieces
}
