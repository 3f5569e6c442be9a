// When two texts say the same, and when one says nothing: the one rule for files and for the service.
import type { Text } from "./Comparison.ts"

/** One space before a word joins it to what stands before; two, or a tab, indent it. */
const words = (text: string): string => {
  const lines = text
    .normalize("NFC")
    .trimEnd()
    .replace(/^\s*[\r\n]/, "")
  return /^[ \t]{2}|^\t/.test(lines) ? lines : lines.trimStart()
}

/**
 * What two texts are compared by: surrounding space, Unicode composition and being one turn or text make no difference. The indentation of
 * a first line does: in code it is content, and the model reads it.
 */
export const essence = (text: Text): string => {
  if (typeof text === "string") return words(text)
  const said = text.map(({ role, content, ...calls }) => [role, words(content), calls])
  const [only, ...others] = text
  const isTurn = only?.role === "assistant" || only?.role === "user"
  const isPlain = isTurn && others.length === 0 && Object.keys(only).length === 2
  return isPlain ? words(only.content) : JSON.stringify(said)
}

/** White space as Unicode has it, and what no reader sees. */
const NOTHING = /^[\p{White_Space}\p{Default_Ignorable_Code_Point}]*$/u

export const isBlank = (text: Text): boolean =>
  typeof text === "string" ? NOTHING.test(text) : text.every(({ content }) => NOTHING.test(content))
