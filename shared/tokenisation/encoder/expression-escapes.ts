// Escapes of Oniguruma's expressions, as what goes into JavaScript's brackets.

/** Sets of characters by the letter of their escape. */
export const SETS: ReadonlyMap<string, string> = new Map([
  ["s", "\\p{White_Space}"],
  ["d", "\\p{Nd}"],
  ["w", "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"],
  ["h", "0-9A-Fa-f"],
])

const CONTROLS: ReadonlyMap<string, string> = new Map([
  ...(["n", "r", "t", "f", "v"] as const).map((letter) => [letter, `\\${letter}`] as const),
  ["a", "\\x07"],
  ["e", "\\x1B"],
])

/** Properties that mean the same there and here, but for what is newer; the test of Unicode's versions has them all. */
const CATEGORY = /^(?:L[ultmo]?|M[nce]?|N[dlo]?|P[cdseifo]?|S[mcko]?|Z[slp]?|Cc)$/
const SCRIPTS = ["Han", "Hiragana", "Katakana", "Hangul", "Latin", "Greek", "Cyrillic", "Arabic", "Hebrew", "Thai"]

/** A property's name in JavaScript; undefined where it is not known. */
function propertyOf(name: string): string | undefined {
  if (CATEGORY.test(name) || name === "Alphabetic") return name
  return SCRIPTS.includes(name) ? `Script=${name}` : undefined
}

export interface Escape {
  /** of the escape in the source */
  readonly length: number
  /** the one character, escaped for JavaScript; "" where it is a set */
  readonly character: string
  /** what a set holds */
  readonly set: string | undefined
  readonly isNegated: boolean
  /** the same with and without regard to case */
  readonly isCaseless: boolean
}

/** The escape at the start of a text; undefined where it is not known. */
export function literalEscape(text: string): Escape | undefined {
  const kind = text[1] ?? ""
  const property = /^\\([pP])\{([A-Za-z]+)\}/.exec(text)
  if (property !== null) {
    const name = propertyOf(property[2]!)
    if (name === undefined) return undefined
    const isNegated = property[1] === "P"
    return { length: property[0].length, character: "", set: `\\p{${name}}`, isNegated, isCaseless: false }
  }
  const set = SETS.get(kind.toLowerCase())
  if (set !== undefined) {
    return { length: 2, character: "", set, isNegated: kind !== kind.toLowerCase(), isCaseless: "sSdD".includes(kind) }
  }
  const code = /^\\(?:x([0-9A-Fa-f]{2})|x\{([0-9A-Fa-f]{1,6})\}|u([0-9A-Fa-f]{4}))/.exec(text)
  if (code !== null) {
    const value = Number.parseInt(code[1] ?? code[2] ?? code[3]!, 16)
    const character = `\\u{${value.toString(16)}}`
    return { length: code[0].length, character, set: undefined, isNegated: false, isCaseless: false }
  }
  const character = CONTROLS.get(kind) ?? (/^[\x20-\x7e]$/.test(kind) && !/[A-Za-z0-9]/.test(kind) ? escaped(kind) : "")
  return character === "" ? undefined : { length: 2, character, set: undefined, isNegated: false, isCaseless: true }
}

/** A character that stands for itself, also inside brackets. */
export function escaped(character: string): string {
  return /[\^$\\.*+?()[\]{}|/-]/.test(character) ? `\\u{${character.charCodeAt(0).toString(16)}}` : character
}

export const isLetter = (character: string) => /^[A-Za-z]$/.test(character)

const LETTERS = [..."abcdefghijklmnopqrstuvwxyz"]
const withCases = (letter: string) =>
  letter + letter.toUpperCase() + (letter === "s" ? "\\u017F" : letter === "k" ? "\\u212A" : "")

/** The letters of ASCII without regard to case, for brackets: ſ is an s, and the sign of Kelvin a k. */
export const FOLDED: ReadonlyMap<string, string> = new Map(
  LETTERS.flatMap((letter) => [
    [letter, withCases(letter)] as const,
    [letter.toUpperCase(), withCases(letter)] as const,
  ]),
)
