// Upper, lower and title case as Python has them. JavaScript knows no title case, so a letter whose title case is not
// its upper case (digraphs, ligatures, Greek with iota below, Georgian) is refused where it would begin a word.
import { UnsupportedConstruct } from "./values.ts"

const OWN_TITLE_CASE = /[\u01c4-\u01cc\u01f1-\u01f3\u10d0-\u10ff\u1f80-\u1fff]/

export function changeCase(text: string, to: "upper" | "lower" | "capitalize" | "title"): string {
  if (to === "upper") return text.toUpperCase()
  if (to === "lower") return text.toLowerCase()
  if (to === "capitalize") return capitalized(text, false)
  // A word begins with a cased letter that follows none.
  return text.replace(/[\p{Lowercase}\p{Uppercase}\p{Lt}]+/gu, (word) => capitalized(word, true))
}

function capitalized(text: string, isWord: boolean): string {
  const first = String.fromCodePoint(text.codePointAt(0) ?? 0)
  if (text === "") return text
  const upper = first.toUpperCase()
  if (OWN_TITLE_CASE.test(first) || [...upper].length > 1) {
    throw new UnsupportedConstruct(`the title case of ${JSON.stringify(first)}`)
  }
  const rest = text.slice(first.length)
  // Whether a sigma ends a word depends on what stands before it.
  if (/[\u03a3]/.test(rest) && isWord) throw new UnsupportedConstruct("the title case of a word with a capital sigma")
  return upper + text.toLowerCase().slice(first.toLowerCase().length)
}

/** Whether the text has cased letters and none of the other case. */
export function isCased(text: string, as: "upper" | "lower"): boolean {
  const [own, other] =
    as === "upper" ? [/\p{Uppercase}/u, /[\p{Lowercase}\p{Lt}]/u] : [/\p{Lowercase}/u, /[\p{Uppercase}\p{Lt}]/u]
  return own.test(text) && !other.test(text)
}
