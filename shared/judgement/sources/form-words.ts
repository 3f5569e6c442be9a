// How refusals of forms name what a record holds: quoted, cut, and not too many.
import { InvalidPreferenceRow } from "./record.ts"

export const refusal = (message: string): InvalidPreferenceRow => new InvalidPreferenceRow("", message)

/** Understood, but nothing in it compares responses. */
export const noJudgement = (message: string): InvalidPreferenceRow =>
  new InvalidPreferenceRow("", message, "no-judgement")

export const quoted = (names: readonly string[]): string =>
  names
    .toSorted()
    .map((name) => JSON.stringify(name))
    .join(" and ")

export const MOST_NAMES = 20
const MOST_NAME_CHARACTERS = 80
export const cut = (name: string): string =>
  name.length > MOST_NAME_CHARACTERS ? `${name.slice(0, MOST_NAME_CHARACTERS)}…` : name

/** Names out of a record, as a message may hold them; `none` where there are none. */
export function listed(names: readonly string[], none: string): string {
  const different = [...new Set(names)]
  if (different.length === 0) return none
  const more = different.length - MOST_NAMES
  return `${quoted(different.slice(0, MOST_NAMES).map(cut))}${more > 0 ? ` and ${more} more` : ""}`
}

/** The first of the names that stands among them twice. */
export const twiceNamed = (names: readonly string[]): string | undefined => {
  const seen = new Set<string>()
  return names.find((name) => seen.size === seen.add(name).size)
}
