// Own names of columns for the fields that are read (`--map prompt=question,chosen=answer_good,rejected=answer_bad`).
import { type Fields, InvalidPreferenceRow } from "./sources/record.ts"

/** Fields that a column may be named for. */
export const MAPPED_FIELDS = [
  ...(["id", "prompt", "chosen", "rejected", "completion", "label", "response", "messages", "tools"] as const),
] as const
export type MappedField = (typeof MAPPED_FIELDS)[number]

/** Field -> the column that holds it. */
export type ColumnMap = Readonly<Partial<Record<MappedField, string>>>

/** Fields that stay what they are where no column is named for them. */
const KEPT = ["id", "tools"]

/** The record under the names that are read, and the columns that are not. Throws InvalidPreferenceRow for a column that is missing. */
export function mapColumns(
  fields: Fields,
  columns: ColumnMap,
): { readonly fields: Fields; readonly unread: readonly string[] } {
  const mapped: Record<string, unknown> = {}
  for (const [field, column] of Object.entries(columns)) {
    if (!Object.hasOwn(fields, column)) {
      if (KEPT.includes(field)) continue
      throw new InvalidPreferenceRow(column, `is missing; the map names this column for ${field}`)
    }
    mapped[field] = fields[column]
  }
  const named = Object.values(columns)
  const isKept = (name: string) => KEPT.includes(name) && !Object.hasOwn(columns, name)
  const others = Object.keys(fields).filter((name) => !named.includes(name))
  for (const name of others.filter(isKept)) mapped[name] = fields[name]
  return { fields: mapped, unread: others.filter((name) => !isKept(name)) }
}
