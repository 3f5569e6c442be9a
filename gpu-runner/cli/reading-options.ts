// How a data file is read, said alike to every command that reads one.
import { existsSync, readFileSync } from "node:fs"
import { Result, Schema } from "effect"
import { type DataReadingOptions, DEFAULT_MAX_BAD_SHARE } from "#gpu-runner/data/rows/preference-file.ts"
import { WebhookMapping } from "#shared/domain/WebhookEndpoint.ts"
import { readJsonObject } from "#shared/formats/json-object.ts"
import { type ColumnMap, MAPPED_FIELDS } from "#shared/judgement/column-map.ts"
import type { FormOptions } from "#shared/judgement/sources/annotation.ts"
import { type OptionValues, UsageError } from "./command.ts"
import { flag, text } from "./options.ts"

export const readingOptions = {
  map: text("FIELD=COLUMN,…", "own names of columns: prompt=question,chosen=answer_good,rejected=answer_bad"),
  form: text("FILE", "which parts of a labelling tool's form are meant: a JSON object, as a webhook's mapping"),
  strict: flag("refuse rows with a field that nobody reads; else such fields are left alone and listed"),
  "max-bad-share": text("SHARE", `end the job when more of the rows cannot be used (${DEFAULT_MAX_BAD_SHARE})`),
} as const

type Values = OptionValues<typeof readingOptions>

/** Throws UsageError. */
export function readingOf(values: Values): DataReadingOptions {
  return {
    columns: values.map === undefined ? undefined : columnsOf(values.map),
    form: values.form === undefined ? undefined : formOf(values.form),
    strict: values.strict,
    maxBadShare: values["max-bad-share"] === undefined ? undefined : shareOf(values["max-bad-share"]),
  }
}

function columnsOf(written: string): ColumnMap {
  const columns: Record<string, string> = {}
  for (const part of written.split(",")) {
    const at = part.indexOf("=")
    const [field, column] = [part.slice(0, at).trim(), part.slice(at + 1).trim()]
    if (at < 1 || column === "") throw new UsageError(`--map ${written}: write FIELD=COLUMN,FIELD=COLUMN`)
    if (!MAPPED_FIELDS.some((known) => known === field)) {
      throw new UsageError(`--map names the field ${JSON.stringify(field)}; use ${MAPPED_FIELDS.join(", ")}`)
    }
    if (field in columns) throw new UsageError(`--map names ${field} twice; keep one`)
    columns[field] = column
  }
  return columns
}

const NOT_JSON = "is no JSON in UTF-8; write one object, as a webhook's mapping"
const decodeForm = Schema.decodeUnknownResult(WebhookMapping, { onExcessProperty: "error" })

function formOf(file: string): FormOptions {
  const refused = (fault: string) => new UsageError(`--form ${file} ${fault}`)
  if (!existsSync(file)) throw refused("is missing; give a JSON file")
  const repeatedKey = (key: string) => `holds "${key}" twice; keep one`
  const faults = { notUtf8: NOT_JSON, notJson: NOT_JSON, notObject: NOT_JSON, repeatedKey }
  const decoded = decodeForm(readJsonObject(readFileSync(file), faults, refused))
  if (Result.isSuccess(decoded)) return decoded.success
  const known = Object.keys(WebhookMapping.fields).join(", ")
  throw refused(`cannot be used: ${decoded.failure.message.replaceAll(/\s*\n\s*/g, " ")} (known are ${known})`)
}

function shareOf(written: string): number {
  const share = Number(written)
  if (share >= 0 && share <= 1) return share
  throw new UsageError(`--max-bad-share ${written} is no share from 0 to 1`)
}
