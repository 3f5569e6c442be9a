// What every record must be before any shape reads it, and its texts after: bounded depth, and text that UTF-8 can hold. Only texts that
// are read are looked at: a column that nobody reads may hold anything.
import { InvalidPreferenceRow, refuseUnreadable, type Statement } from "./record.ts"

// Bounds recursion on hostile input; a message tree has two levels a turn.
const MAX_DEPTH = 128

/** Objects and lists inside one another that a record may have. */
export const MOST_LEVELS: number = MAX_DEPTH

/** Throws InvalidPreferenceRow. */
export function refuseDepth(value: unknown, depth = 0): void {
  if (depth > MAX_DEPTH)
    throw new InvalidPreferenceRow("", `nests deeper than ${MAX_DEPTH} levels; no accepted shape does`)
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return
  for (const member of Object.values(value)) refuseDepth(member, depth + 1)
}

/** JSON can spell half of a surrogate pair, which no UTF-8 can hold, and numbers that nobody can; both would be lost on the way. Throws InvalidPreferenceRow. */
export function refuseBrokenText(value: unknown, path = ""): void {
  if (typeof value === "string") {
    if (value.isWellFormed()) return
    throw new InvalidPreferenceRow(path, "holds half of a surrogate pair, which is no text; repair the string")
  }
  refuseUnreadable(value, path)
  if (typeof value === "number" && !Number.isFinite(value))
    throw new InvalidPreferenceRow(path, "is no finite number, or one too large; write it as text")
  if (typeof value !== "object" || value === null) return
  for (const [key, member] of Object.entries(value)) {
    if (!key.isWellFormed()) throw new InvalidPreferenceRow(path, "has a field name that is no text; rename it")
    refuseBrokenText(member, path === "" ? key : `${path}.${key}`)
  }
}

/** Only what is learnt must be text: half a character elsewhere changes nothing. Throws InvalidPreferenceRow. */
export function refuseBrokenStatement({ pairs = [], responses = [] }: Statement): void {
  for (const { strength: _, ...texts } of pairs) refuseBrokenText(texts)
  for (const { label: _, ...texts } of responses) refuseBrokenText(texts)
}
