// The fields of a record that nobody reads. They are left alone, and told once a file; where a row must be exact, they are refused.
import { isMessageLike, readFieldsOf } from "./messages.ts"
import { type Fields, InvalidPreferenceRow, isRecord, type ReadFields } from "./record.ts"

interface Unread {
  /** With the places in lists: chosen.0.weight */
  readonly path: string
  readonly known: readonly string[]
}

/** Names of the fields that this shape does not read, without the places in lists: chosen.weight. */
export function unreadFields(fields: Fields, shape: Partial<ReadFields>): readonly string[] {
  return [...new Set(unreadOf(fields, shape).map(({ path }) => path.replace(/\.\d+(?=\.|$)/g, "")))]
}

/** Throws InvalidPreferenceRow for the first of them. */
export function refuseUnread(fields: Fields, shape: Partial<ReadFields>): void {
  const [unread] = unreadOf(fields, shape)
  if (unread === undefined) return
  throw new InvalidPreferenceRow(unread.path, `is an unknown field; remove it (known here: ${unread.known.join(", ")})`)
}

function unreadOf(fields: Fields, { reads, leaves = [] }: Partial<ReadFields>): Unread[] {
  const known = reads?.[""]
  // What a labelling tool writes is its own.
  if (reads === undefined || known === undefined) return []
  const found: Unread[] = []
  const take = (names: readonly string[], of: Fields, path: string) => {
    for (const name of Object.keys(of)) {
      if (!names.includes(name) && !leaves.includes(name)) found.push({ path: `${path}${name}`, known: names })
    }
  }
  const walk = (value: unknown, path: string, place: string) => {
    if (Array.isArray(value)) {
      value.forEach((member, index) => {
        walk(member, `${path}.${index}`, place)
      })
    } else if (isMessageLike(value)) {
      takeOfMessage(value, path, take)
    } else if (isRecord(value)) {
      const names = reads[place]
      if (names === undefined) return
      take(names, value, `${path}.`)
      for (const name of names) walk(value[name], `${path}.${name}`, `${place}.${name}`)
    }
  }
  take(known, fields, "")
  for (const name of known) {
    // Tool descriptions are as free as the tools.
    if (name !== "tools" && Object.hasOwn(fields, name)) walk(fields[name], name, name)
  }
  return found
}

/** Fields that are null are absent. Of content in parts, also what the parts hold beside their text. */
function takeOfMessage(
  message: Fields,
  path: string,
  take: (names: readonly string[], of: Fields, path: string) => void,
): void {
  const present = (fields: Fields) => Object.fromEntries(Object.entries(fields).filter(([, member]) => member !== null))
  take(readFieldsOf(message), present(message), `${path}.`)
  const parts = Array.isArray(message.content) ? message.content : []
  parts.forEach((part, index) => {
    if (isRecord(part)) take(["type", "text"], present(part), `${path}.content.${index}.`)
  })
}
