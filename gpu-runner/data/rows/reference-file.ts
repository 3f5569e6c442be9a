// The JSON Lines of `yohaku score`, written and read back as a reference: {"id", "chosen": {"logProbs", "sum", "count"}, "rejected": …}.
import type { ResponseLogProb, ScoredResponse } from "#shared/methods/pair-log-probs.ts"
import { InvalidDataFile, ReferenceMismatch } from "../errors.ts"
import { sha256 } from "../files.ts"
import { parseLine, readLines } from "./json-lines.ts"
import type { ReferenceLogProbs, TokenRow } from "./token-rows.ts"

/** Log-probs of one response, nats, one per token in f32. */
export type ResponseScores = Float32Array

export interface ReferenceFile {
  readonly byId: ReadonlyMap<string, ReferenceLogProbs>
  /** SHA-256 of the file. */
  readonly digest: string
}

/** Sum in f64 and count of per-token log-probs. */
export function responseLogProb(logProbs: ArrayLike<number>): ResponseLogProb {
  let sum = 0
  for (let index = 0; index < logProbs.length; index++) sum += logProbs[index]!
  return { sum, count: logProbs.length }
}

/** One line of `score`, without the newline. Numbers have the nine digits that name an f32 exactly. */
export function scoreLine(id: string, chosen: ResponseScores, rejected: ResponseScores): string {
  const part = (logProbs: ResponseScores) => ({
    logProbs: Array.from(logProbs, (value) => Number(value.toPrecision(9))),
    ...responseLogProb(logProbs),
  })
  return JSON.stringify({ id, chosen: part(chosen), rejected: part(rejected) })
}

/** Reads a reference. Errors: InvalidDataFile naming the line. */
export function readReferenceFile(file: string): ReferenceFile {
  const { lines, bytes } = readLines(file)
  const byId = new Map<string, ReferenceLogProbs>()
  for (const line of lines) {
    const fields = parseLine(file, line)
    const fail = (fault: string): never => {
      throw new InvalidDataFile(file, line.line, fault)
    }
    const id = fields.id
    if (typeof id !== "string") return fail("id must be text; give the file that `yohaku score` wrote")
    if (byId.has(id)) fail(`id ${JSON.stringify(id)} is there twice; score the data again`)
    const read = (side: "chosen" | "rejected") => {
      const scored = readScores(fields[side])
      return typeof scored === "string" ? fail(`${side} ${scored}`) : scored
    }
    byId.set(id, { chosen: read("chosen"), rejected: read("rejected") })
  }
  return { byId, digest: sha256(bytes) }
}

/** Both are sums of the same f32 numbers; writers may have rounded them. */
const SUM_TOLERANCE_NATS_PER_TOKEN = 1e-4

function readScores(value: unknown): ScoredResponse | string {
  const { sum, count, logProbs } = (value ?? {}) as Readonly<Record<string, unknown>>
  if (typeof sum !== "number" || !Number.isFinite(sum)) return "has no finite sum; score the data again"
  if (!Number.isSafeInteger(count) || (count as number) < 1) return "has no count of at least 1; score the data again"
  const scored = { sum, count: count as number }
  if (logProbs === undefined) return scored
  if (!Array.isArray(logProbs) || logProbs.length !== count || !logProbs.every(Number.isFinite)) {
    return `has no ${count} finite logProbs; score the data again`
  }
  const difference = Math.abs(responseLogProb(logProbs).sum - sum)
  if (difference > SUM_TOLERANCE_NATS_PER_TOKEN * scored.count) {
    return `has a sum that is not its logProbs' (they differ by ${difference.toPrecision(3)}); score the data again`
  }
  return { ...scored, logProbs: Float32Array.from(logProbs) }
}

/** Rows with their reference. Errors: ReferenceMismatch when a row has none, or one of another number of tokens. */
export function withReference(rows: readonly TokenRow[], file: string, reference: ReferenceFile): TokenRow[] {
  return rows.map((row) => {
    const found = reference.byId.get(row.id)
    if (!found) throw new ReferenceMismatch(`${file} has no row ${JSON.stringify(row.id)}; score this data file again`)
    for (const [side, tokens] of [
      ["chosen", row.chosenIds.length],
      ["rejected", row.rejectedIds.length],
    ] as const) {
      if (found[side].count === tokens) continue
      throw new ReferenceMismatch(
        `${file}: ${side} of row ${JSON.stringify(row.id)} was scored on ${found[side].count} tokens and has ${tokens} here: ` +
          "tokenizer, chat template or maxLength differ; score the data again with this model",
      )
    }
    return { ...row, reference: found }
  })
}
