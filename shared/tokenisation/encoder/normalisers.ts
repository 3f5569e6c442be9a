// What is done to a text before it is cut. Source: tokenizers 0.23, src/normalizers.
import { byteCharacters } from "./byte-characters.ts"
import { flagOf, type Part, partOf, partsOf, refuse, textOf } from "./field.ts"
import { patternOf } from "./patterns.ts"
import { precompiledNormaliser } from "./precompiled.ts"
import { ACCENT, normalForm } from "./unicode-versions.ts"

export type Normaliser = (text: string) => string

/** The normaliser of tokenizer.json; undefined where it has none. Throws InvalidTokenizer, naming a part that is not known. */
export function normaliserOf(value: unknown): Normaliser | undefined {
  const part = partOf(value, "normalizer")
  return part && build(part)
}

function build(part: Part): Normaliser {
  switch (part.type) {
    case "Sequence": {
      const all = partsOf(part.normalizers, "normalizers").map(build)
      return (text) => all.reduce((changed, normalise) => normalise(changed), text)
    }
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD": {
      const form = part.type
      return (text) => normalForm(text, form)
    }
    case "Lowercase":
      // Letter by letter: a final sigma is not looked at, unlike toLowerCase of a whole text.
      return (text) => Array.from(text, (character) => character.toLowerCase()).join("")
    case "StripAccents":
      return (text) => text.replace(ACCENT, "")
    case "Strip": {
      const [left, right] = [flagOf(part, "strip_left"), flagOf(part, "strip_right")]
      return (text) => {
        const cutRight = right ? text.slice(0, spaceAtEnd(text)) : text
        return left ? cutRight.slice(spaceAtStart(cutRight)) : cutRight
      }
    }
    case "Prepend": {
      const prefix = textOf(part, "prepend")
      return (text) => (text === "" ? "" : prefix + text)
    }
    case "Replace":
      return replace(part)
    case "Precompiled":
      return precompiledNormaliser(textOf(part, "precompiled_charsmap"))
    case "ByteLevel":
      return byteCharacters
    default:
      return refuse(`the normalizer ${part.type}`)
  }
}

function replace(part: Part): Normaliser {
  const find = patternOf(part)
  const content = textOf(part, "content")
  return (text) => {
    let changed = ""
    for (const { start, end, isMatch } of find(text)) changed += isMatch ? content : text.slice(start, end)
    return changed
  }
}

const SPACE = /\p{White_Space}/u

/** Where the white space at the end begins. */
export function spaceAtEnd(text: string, end = text.length): number {
  let start = end
  while (start > 0 && SPACE.test(text[start - 1]!)) start--
  return start
}

/** Where the white space at the start ends. */
export function spaceAtStart(text: string, start = 0): number {
  let end = start
  while (end < text.length && SPACE.test(text[end]!)) end++
  return end
}

/**
 * Whether the text's first character is, after this normaliser, still where the text began, whatever the text: Metaspace's
 * "first" asks for it. Throws InvalidTokenizer where that would have to be traced through what is removed or added.
 */
export function checkKeepsStart(value: unknown, hasNormalisedTokens: boolean): void {
  const part = partOf(value, "normalizer")
  if (part === undefined) return
  const parts = part.type === "Sequence" ? partsOf(part.normalizers, "normalizers") : [part]
  for (const each of parts) {
    const isOne = each.type === "Replace" && isReplacementOfOne(each)
    if (!isOne && !["NFC", "NFKC", "NFD", "NFKD", "Lowercase", "Prepend"].includes(each.type as string)) {
      refuse(`Metaspace with prepend_scheme "first" after the normalizer ${each.type}`)
    }
  }
  if (hasNormalisedTokens)
    refuse('Metaspace with prepend_scheme "first", a normalizer and added tokens that are normalized')
}

function isReplacementOfOne({ pattern, content }: Part): boolean {
  const wanted = (pattern as Part | undefined)?.String
  return typeof wanted === "string" && [...wanted].length === 1 && typeof content === "string" && content !== ""
}
