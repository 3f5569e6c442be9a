// The writing system of a text by its letters. It tells English from Japanese, and not English from French.

/** `none`: no letter at all. Han characters, kana and bopomofo are one: which language Han alone is cannot be told. */
export const SCRIPTS = ["none", "latin", "east-asian", "hangul", "cyrillic", "arabic", "devanagari", "other"] as const
export type Script = (typeof SCRIPTS)[number]

const LETTERS: readonly (readonly [Script, RegExp])[] = [
  ["latin", /\p{Script=Latin}/gu],
  ["east-asian", /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Bopomofo}]/gu],
  ["hangul", /\p{Script=Hangul}/gu],
  ["cyrillic", /\p{Script=Cyrillic}/gu],
  ["arabic", /\p{Script=Arabic}/gu],
  ["devanagari", /\p{Script=Devanagari}/gu],
]

/** An East Asian sign says about as much as three letters: a Japanese sentence with a part number in it is Japanese. */
const SIGN_WEIGHT = 3

const count = (text: string, pattern: RegExp): number => text.match(pattern)?.length ?? 0

/** The script of most of a text's letters; of equals the first in the list. */
export const scriptOf = (text: string): Script => {
  const letters = count(text, /\p{Letter}/gu)
  if (letters === 0) return "none"
  const counts = LETTERS.map(([script, pattern]) => ({ script, letters: count(text, pattern) }))
  const known = counts.reduce((sum, of) => sum + of.letters, 0)
  const weighed = [...counts, { script: "other" as const, letters: letters - known }].map(({ script, letters }) => ({
    script,
    weight: script === "east-asian" || script === "hangul" ? SIGN_WEIGHT * letters : letters,
  }))
  return weighed.reduce((most, of) => (of.weight > most.weight ? of : most)).script
}
