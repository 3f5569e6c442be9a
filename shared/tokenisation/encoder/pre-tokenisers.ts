// How a text is cut into the pieces that the model sees. Source: tokenizers 0.23, src/pre_tokenizers.
import { byteCharacters } from "./byte-characters.ts"
import { characterOf, countOf, fault, flagOf, type Part, partOf, partsOf, refuse } from "./field.ts"
import {
  characters,
  cut,
  DELIMITERS,
  type Delimiters,
  literal,
  type Pattern,
  patternOf,
  type Span,
} from "./patterns.ts"
import { forMatching, PUNCTUATION } from "./unicode-versions.ts"

/** A stretch of normalised text; `isFirst` where it begins where the whole text does. */
export interface Piece {
  readonly text: string
  readonly isFirst: boolean
}

export type PreTokeniser = (pieces: readonly Piece[]) => readonly Piece[]

const GPT2 = { Regex: "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+" }
const WORD = "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}]"
const WORDS = new RegExp(`${WORD}+|(?:(?!${WORD})\\P{White_Space})+`, "gu")

/** The pre-tokenizer of tokenizer.json; undefined where it has none. Throws InvalidTokenizer, naming a part that is not known. */
export function preTokeniserOf(value: unknown): PreTokeniser | undefined {
  const part = partOf(value, "pre_tokenizer")
  return part && build(part)
}

/** Whether some Metaspace asks whether a piece is the text's first. Throws InvalidTokenizer where others cut before it. */
export function hasFirstScheme(value: unknown): boolean {
  const parts = flat(partOf(value, "pre_tokenizer"))
  const at = parts.findIndex(({ type, prepend_scheme }) => type === "Metaspace" && prepend_scheme === "first")
  if (at > 0) refuse(`Metaspace with prepend_scheme "first" after the pre_tokenizer ${parts[0]!.type}`)
  return at === 0
}

function flat(part: Part | undefined): Part[] {
  if (part === undefined) return []
  return part.type === "Sequence" ? partsOf(part.pretokenizers, "pretokenizers").flatMap(flat) : [part]
}

function build(part: Part): PreTokeniser {
  switch (part.type) {
    case "Sequence": {
      const all = partsOf(part.pretokenizers, "pretokenizers").map(build)
      return (pieces) => all.reduce((split, each) => each(split), pieces)
    }
    case "ByteLevel":
      return byteLevel(flagOf(part, "add_prefix_space"), flagOf(part, "use_regex", true))
    case "Metaspace":
      return metaspace(part)
    case "Split":
      return split(flagOf(part, "invert") ? inverted(patternOf(part)) : patternOf(part), delimitersOf(part))
    case "Digits":
      return split(characters(/\p{N}/gu), flagOf(part, "individual_digits") ? "Isolated" : "Contiguous")
    case "Punctuation":
      return split(characters(PUNCTUATION), part.behavior === undefined ? "Isolated" : delimitersOf(part))
    case "Whitespace":
      return split(
        inverted((text) => characters(WORDS)(forMatching(text))),
        "Removed",
      )
    case "WhitespaceSplit":
      return split(characters(/\p{White_Space}/gu), "Removed")
    case "BertPreTokenizer": {
      const bySpace = split(characters(/\p{White_Space}/gu), "Removed")
      const byPunctuation = split(characters(PUNCTUATION), "Isolated")
      return (pieces) => byPunctuation(bySpace(pieces))
    }
    case "CharDelimiterSplit":
      return split(literal(characterOf(part, "delimiter")), "Removed")
    case "FixedLength":
      return fixedLength(part.length === undefined ? 5 : countOf(part, "length"))
    default:
      return refuse(`the pre_tokenizer ${part.type}`)
  }
}

function delimitersOf(part: Part): Delimiters {
  const found = DELIMITERS.find((each) => each === part.behavior)
  return (
    found ?? fault(`the behavior ${JSON.stringify(part.behavior)} of ${part.type} is none of ${DELIMITERS.join(", ")}`)
  )
}

const inverted =
  (find: Pattern): Pattern =>
  (text) =>
    find(text).map(({ start, end, isMatch }): Span => ({ start, end, isMatch: !isMatch }))

function split(find: Pattern, delimiters: Delimiters): PreTokeniser {
  return (pieces) => pieces.flatMap((piece) => cutPiece(piece, find, delimiters))
}

function cutPiece({ text, isFirst }: Piece, find: Pattern, delimiters: Delimiters): Piece[] {
  return cut(find(text), delimiters).map(({ start, end }) => ({
    text: text.slice(start, end),
    isFirst: isFirst && start === 0,
  }))
}

function byteLevel(addsSpace: boolean, usesRegex: boolean): PreTokeniser {
  const find = patternOf({ type: "ByteLevel", pattern: GPT2 })
  return (pieces) =>
    pieces
      .map((piece) => (addsSpace && !piece.text.startsWith(" ") ? { ...piece, text: ` ${piece.text}` } : piece))
      .flatMap((piece) => (usesRegex ? cutPiece(piece, find, "Isolated") : [piece]))
      .map(({ text, isFirst }) => ({ text: byteCharacters(text), isFirst }))
}

function metaspace(part: Part): PreTokeniser {
  const replacement = characterOf(part, "replacement")
  const scheme = part.prepend_scheme ?? "always"
  if (scheme !== "always" && scheme !== "first" && scheme !== "never") {
    return fault(`Metaspace's prepend_scheme is ${JSON.stringify(scheme)}, and neither always, first nor never`)
  }
  if (part.add_prefix_space === false && scheme !== "never") {
    return fault(`Metaspace has add_prefix_space false, and prepend_scheme "${scheme}"`)
  }
  const splits = flagOf(part, "split", true)
  const find = literal(replacement)
  return (pieces) =>
    pieces
      .map((piece) => {
        const text = piece.text.replaceAll(" ", replacement)
        const isPrefixed = scheme === "always" || (scheme === "first" && piece.isFirst)
        return { ...piece, text: isPrefixed && !text.startsWith(replacement) ? replacement + text : text }
      })
      .flatMap((piece) => (splits ? cutPiece(piece, find, "MergedWithNext") : [piece]))
}

function fixedLength(length: number): PreTokeniser {
  if (length === 0) return fault("FixedLength cuts pieces of no characters")
  return (pieces) =>
    pieces.flatMap(({ text, isFirst }) => {
      const all = [...text]
      const count = Math.ceil(all.length / length)
      return Array.from({ length: count }, (_, index) => ({
        text: all.slice(index * length, (index + 1) * length).join(""),
        isFirst: isFirst && index === 0,
      }))
    })
}
