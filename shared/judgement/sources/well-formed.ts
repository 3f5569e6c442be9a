// What every record must be before any shape reads it: text that UTF-8 can hold, in bounded depth.
import { InvalidPreferenceRow } from "./record.ts"

// Bounds recursion on hostile input; a message tree has two levels a turn.
const MAX_DEPTH = 128

/** JSON can spell half of a surrogate pair; no UTF-8 can hold it, so it would be lost on the way. Throws InvalidPreferenceRow. */
export function refuseBrokenText(value: unknown, path = "", depth = 0): void {
  if (depth > MAX_DEPTH)
    throw new InvalidPreferenceRow("", `nests deeper than ${MAX_DEPTH} levels; no accepted shape does`)
  if (typeof value === "string") {
    if (value.isWellFormed()) return
    throw new InvalidPreferenceRow(path, "holds half of a surrogate pair, which is no text; repair the string")
  }
  if (typeof value !== "object" || value === null) return
  for (const [key, member] of Object.entries(value)) {
    if (!key.isWellFormed()) throw new InvalidPreferenceRow(path, "has a field name that is no text; rename it")
    refuseBrokenText(member, path === "" ? key : `${path}.${key}`, depth + 1)
  }
}
