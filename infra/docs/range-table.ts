// The table of options.md that says how large each number of a configuration may be, read from the schema that decodes it.
import { Schema } from "effect"
import { TrainConfigInput } from "#shared/domain/TrainConfig.ts"
import { markdownTable } from "./markdown-table.ts"

interface Numeric {
  readonly type: "number" | "integer"
  readonly minimum?: number
  readonly exclusiveMinimum?: number
  readonly maximum?: number
  readonly exclusiveMaximum?: number
}

/** The configuration's numbers as JSON Schema describes them, by key; choices among a few numbers are no ranges. */
export function numericKeys(): readonly (readonly [key: string, schema: Numeric])[] {
  const { properties } = Schema.toJsonSchemaDocument(TrainConfigInput).schema as {
    readonly properties: Readonly<Record<string, { readonly type?: string }>>
  }
  return Object.entries(properties).filter(
    (entry): entry is [string, Numeric] => ["number", "integer"].includes(entry[1].type ?? "") && !("enum" in entry[1]),
  )
}

export function rangeTable(): string {
  const shown = (bound: number) => bound.toLocaleString("en-GB", { maximumFractionDigits: 3 })
  return markdownTable(
    ["key", "from", "to"],
    numericKeys().map(([key, { minimum, exclusiveMinimum, maximum, exclusiveMaximum }]) => [
      `\`${key}\``,
      minimum === undefined ? `above ${shown(exclusiveMinimum!)}` : shown(minimum),
      maximum === undefined ? `below ${shown(exclusiveMaximum!)}` : shown(maximum),
    ]),
  )
}
