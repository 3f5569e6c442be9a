// A model card: README.md with YAML front matter, as the hub reads it (model cards, metadata specification). Written with
// JSON scalars, which are YAML; read only as far as lineage needs: the fields at the top level that have one value.
import { existsSync, readFileSync } from "node:fs"
import path from "node:path"
import { isRepositoryName } from "../hub/hub-client.ts"
import { readPullRecord } from "../hub/model-cache.ts"

export type CardFields = Readonly<Record<string, string | readonly string[] | undefined>>

export interface Card {
  readonly fields: CardFields
  /** Markdown. */
  readonly body: string
}

export const CARD_FILE = "README.md"

/** The text of README.md; fields without a value are left out. */
export function cardText({ fields, body }: Card): string {
  const lines = Object.entries(fields).flatMap(([name, value]) => {
    if (value === undefined || value.length === 0) return []
    if (typeof value === "string") return [`${name}: ${scalar(value)}`]
    return [`${name}:`, ...value.map((item) => `  - ${scalar(item)}`)]
  })
  return ["---", ...lines, "---", "", body.trim(), ""].join("\n")
}

/** Plain where YAML reads it as text, else a JSON string. */
function scalar(value: string): string {
  const isPlain = /^[A-Za-z][\w./-]*$/.test(value) && !/^(true|false|yes|no|on|off|null|y|n)$/i.test(value)
  return isPlain ? value : JSON.stringify(value)
}

/** The card in a folder, if there is one with front matter. Lists and nested fields other than plain lists are passed over. */
export function readCard(directory: string): Card | undefined {
  const file = path.join(directory, CARD_FILE)
  if (!existsSync(file)) return undefined
  const match = /^---\r?\n([\s\S]*?)\r?\n---\r?\n?([\s\S]*)$/.exec(readFileSync(file, "utf8"))
  if (!match) return undefined
  const fields: Record<string, string | string[]> = {}
  let list: string[] | undefined
  for (const line of match[1]!.split(/\r?\n/)) {
    const item = /^\s*- (.+)$/.exec(line)
    const field = /^([A-Za-z_][\w-]*):(?:\s+(.*))?$/.exec(line)
    if (item && list) list.push(unquoted(item[1]!))
    else if (field?.[2]) {
      fields[field[1]!] = unquoted(field[2])
      list = undefined
    } else if (field) {
      list = []
      fields[field[1]!] = list
    } else list = undefined
  }
  return { fields, body: match[2]!.trim() }
}

function unquoted(text: string): string {
  const trimmed = text.trim()
  const quoted = /^(["'])(.*)\1$/.exec(trimmed)
  return quoted ? quoted[2]! : trimmed
}

/** What is known of a base model for the cards of what is made from it. */
export interface BaseLineage {
  /** owner/name, where the base has one; a path on this machine means nothing to others. */
  readonly repository: string | undefined
  readonly commit: string | undefined
  /** The fields that state the base's licence. */
  readonly license: CardFields
}

/** Reads what the base's folder says of its origin and licence. */
export function baseLineage(directory: string, name: string): BaseLineage {
  const pull = readPullRecord(directory)
  const { license, license_name, license_link } = readCard(directory)?.fields ?? {}
  const repository = pull?.repository ?? (isRepositoryName(name) && !existsSync(name) ? name : undefined)
  return { repository, commit: pull?.commit, license: { license, license_name, license_link } }
}

/** A table of two columns; rows without a value are left out. */
export function cardTable(
  head: readonly string[],
  rows: readonly (readonly (string | number | null | undefined)[])[],
): string {
  const line = (cells: readonly unknown[]) =>
    `| ${cells.map((cell) => String(cell).replaceAll("|", "\\|")).join(" | ")} |`
  const known = rows.filter((row) => row.every((cell) => cell !== undefined && cell !== null))
  return [line(head), line(head.map(() => "---")), ...known.map(line)].join("\n")
}
