// A --data file to token rows: every accepted shape of preference row, or supervised rows. A row that cannot be trained on is dropped
// and counted by reason; a row that cannot be understood is an error that names its line.
import { canonicalJson } from "#shared/formats/digest.ts"
import { InvalidPreferenceRow, type PreferenceRow, parsePreferenceRow } from "#shared/formats/preference-rows.ts"
import {
  PairOverLength,
  type Tokenisation,
  type TokenisationPolicy,
  type TokenisedPair,
} from "#shared/tokenisation/tokenisation.ts"
import { InvalidDataFile } from "./errors.ts"
import { sha256 } from "./files.ts"
import { type JsonLine, parseLine, readLines } from "./json-lines.ts"
import { parseSupervisedRow, tokeniseSupervised } from "./supervised-rows.ts"
import type { TokenRow } from "./token-rows.ts"

export interface DroppedRow {
  readonly line: number
  readonly reason: string
  /** Says what is wrong and the mend, where more is known than the reason. */
  readonly detail?: string | undefined
}

export interface DataRows {
  readonly rows: readonly TokenRow[]
  readonly dropped: readonly DroppedRow[]
  /** SHA-256 of the file. */
  readonly digest: string
}

export interface DataFileOptions extends TokenisationPolicy {
  /** `pairs` need both responses; `responses` takes supervised rows, or the chosen response of pairs. */
  readonly kind: "pairs" | "responses"
}

interface ParsedRow {
  readonly id: string
  readonly contentDigest: string
  readonly tokenise: () => TokenisedPair
}

/** Reads the file. Errors: InvalidDataFile, InvalidTokenizer, ChatTemplateRefused, PairOverLength (policy "error"). */
export async function readDataFile(
  file: string,
  tokenisation: Tokenisation,
  options: DataFileOptions,
): Promise<DataRows> {
  const { lines, bytes } = readLines(file)
  const rows: TokenRow[] = []
  const dropped: DroppedRow[] = []
  const seen = new Map<string, { readonly line: number; readonly contentDigest: string }>()
  for (const line of lines) {
    const parsed = await parseRow(file, line, tokenisation, options)
    if ("reason" in parsed) {
      dropped.push(parsed)
      continue
    }
    const earlier = seen.get(parsed.id)
    if (earlier) {
      dropped.push(duplicateOf(file, line.line, parsed, earlier))
      continue
    }
    seen.set(parsed.id, { line: line.line, contentDigest: parsed.contentDigest })
    const tokenised = tokeniseAt(file, line.line, parsed)
    if (tokenised._tag === "Dropped") dropped.push({ line: line.line, reason: tokenised.reason })
    else rows.push(tokenRow(parsed.id, tokenised, options))
  }
  return { rows, dropped, digest: sha256(bytes) }
}

/** How many rows were dropped for each reason. */
export function countReasons(dropped: readonly { readonly reason: string }[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { reason } of dropped) counts[reason] = (counts[reason] ?? 0) + 1
  return counts
}

function tokenRow(
  id: string,
  tokenised: Extract<TokenisedPair, { _tag: "Tokenised" }>,
  { kind }: DataFileOptions,
): TokenRow {
  const { promptIds, chosenIds, rejectedIds } = tokenised
  return { id, promptIds, chosenIds, rejectedIds: kind === "pairs" ? rejectedIds : new Uint32Array(0), weight: 1 }
}

async function parseRow(
  file: string,
  line: JsonLine,
  tokenisation: Tokenisation,
  options: DataFileOptions,
): Promise<ParsedRow | DroppedRow> {
  if (options.kind === "responses") {
    const fields = parseLine(file, line)
    if ("response" in fields) return parseSupervised(file, line.line, fields, tokenisation, options)
  }
  let row: PreferenceRow
  try {
    row = await parsePreferenceRow(line.bytes)
  } catch (error) {
    if (!(error instanceof InvalidPreferenceRow)) throw error
    const reason = droppedReason(error)
    if (reason === undefined) throw new InvalidDataFile(file, line.line, error.message)
    return { line: line.line, reason, detail: error.message }
  }
  const { id, ...text } = row
  return { id, contentDigest: sha256(canonicalJson(text)), tokenise: () => tokenisation.tokenisePair(text, options) }
}

/** Rows that are well formed but teach nothing are dropped; everything else that the parser refuses is an error. */
function droppedReason({ message }: InvalidPreferenceRow): string | undefined {
  if (message.includes("is an empty response")) return "empty"
  return message.includes("is the same as chosen") ? "identical" : undefined
}

function parseSupervised(
  file: string,
  line: number,
  fields: Readonly<Record<string, unknown>>,
  tokenisation: Tokenisation,
  options: DataFileOptions,
): ParsedRow {
  const row = parseSupervisedRow(fields)
  if ("fault" in row) throw new InvalidDataFile(file, line, row.fault)
  const contentDigest = sha256(canonicalJson(row.text))
  return {
    id: row.id ?? `sha256:${contentDigest}`,
    contentDigest,
    tokenise: () => tokeniseSupervised(tokenisation, row.text, options),
  }
}

function tokeniseAt(file: string, line: number, row: ParsedRow): TokenisedPair {
  try {
    return row.tokenise()
  } catch (error) {
    if (error instanceof PairOverLength) throw new PairOverLength(`${file}:${line}: ${error.message}`)
    throw error
  }
}

function duplicateOf(
  file: string,
  line: number,
  row: ParsedRow,
  earlier: { readonly line: number; readonly contentDigest: string },
): DroppedRow {
  if (row.contentDigest === earlier.contentDigest) {
    return { line, reason: "duplicate", detail: `the row stands at line ${earlier.line} already` }
  }
  const fault = `id ${JSON.stringify(row.id)} belongs to another row at line ${earlier.line}; give every row its own id`
  throw new InvalidDataFile(file, line, fault)
}
