// Files of judged pairs: rows of numbers alone ({"model", "rows": [{"i", "pref", "len1", "len2", …}]}), or the annotations.json that alpaca_eval
// writes, whose texts are measured here. Bytes in, typed annotations out; a row that cannot be understood is an error that names it.
import { readJsonObject } from "#shared/formats/json-object.ts"
import { UnusableJudgements } from "../evaluation-error.ts"
import type { LadderVerdict } from "../judge/ladder.ts"
import { listedRows, MAX_ROWS } from "../listed-rows.ts"
import { type Annotation, codePointLength, DRAW, preferenceOf } from "./annotation.ts"

export interface AnnotationFile {
  /** Whose answers were judged; undefined where the file does not say. */
  readonly model: string | undefined
  readonly annotations: readonly Annotation[]
  /** Whether the rows say by `i` which instruction theirs is; else it is their position. */
  readonly namesInstructions: boolean
  /** How the judge was asked, where the file says it. */
  readonly protocol?: string | undefined
  /** Of the pairs that were asked in both orders and have two verdicts, the share of those that contradict each other; undefined without any. */
  readonly flips?: number | undefined
  /** Where several judges gave the verdicts: the last one, and whose each is. */
  readonly ladder?: { readonly last: string; readonly verdicts: readonly LadderVerdict[] } | undefined
}

/** The protocol of verdicts that several judges gave, each where those before left the pair undecided. */
const LADDER = "ladder"
const MAX_LENGTH = 1_000_000_000
/** How far a stated preference may be from that of the log-probs beside it, which are stored with ten digits. */
const ROUNDING = 1e-6

const SHAPE = '{"model": …, "rows": [{"i", "pref", "len1", "len2"}]} or alpaca_eval\'s annotations.json'

type Row = Readonly<Record<string, unknown>>

const refuse = (message: string) => new UnusableJudgements(message)

/** Throws UnusableJudgements, whose message continues a sentence that begins with the file's name. */
export function readAnnotationFile(bytes: Uint8Array): AnnotationFile {
  const { model, judge, protocol, rows } = rowsOf(bytes)
  const named = rows.filter(({ i }) => i !== undefined).length
  if (named !== 0 && named !== rows.length) {
    throw refuse(
      `says of ${named} of ${rows.length} rows by "i" which instruction is theirs; say it of all, or of none`,
    )
  }
  const annotations = rows.map((row, index) => annotationOf(row, index))
  refuseRepeats(annotations)
  const generator = rows[0]!.generator_2
  return {
    model: typeof model === "string" ? model : typeof generator === "string" ? generator : undefined,
    annotations,
    namesInstructions: named > 0,
    ...(typeof protocol === "string" && { protocol }),
    flips: flipsOf(rows),
    ladder: protocol === LADDER ? { last: `${judge}`, verdicts: ladderOf(rows, annotations) } : undefined,
  }
}

/** A verdict of the last judge has its log-probs or orders beside it; equal answers have nothing. */
function ladderOf(rows: readonly Row[], annotations: readonly Annotation[]): LadderVerdict[] {
  return annotations.flatMap(({ preference }, index) => {
    if (preference === undefined) return []
    const { judge, audit, swapped, orders } = rows[index]!
    const earlier = typeof judge === "string" ? judge : undefined
    const audited = statedPreference(audit, `row ${index + 1}: "audit"`)
    const isAsked = earlier !== undefined || swapped !== undefined || orders !== undefined
    return [{ earlier, isAsked, value: preference - 1, audit: audited === undefined ? undefined : audited - 1 }]
  })
}

/** Orders that prefer different answers. */
function flipsOf(rows: readonly Row[]): number | undefined {
  const twice = rows.flatMap(({ orders }) =>
    Array.isArray(orders) && orders.length === 2 && orders.every((each) => typeof each === "number") ? [orders] : [],
  )
  if (twice.length === 0) return undefined
  return twice.filter(([one = DRAW, other = DRAW]) => (one - DRAW) * (other - DRAW) < 0).length / twice.length
}

function rowsOf(bytes: Uint8Array): {
  readonly model: unknown
  readonly judge: unknown
  readonly protocol: unknown
  readonly rows: readonly Row[]
} {
  const notJson = `is no JSON in UTF-8; give ${SHAPE}`
  const faults = {
    notUtf8: notJson,
    notJson,
    notObject: notJson,
    repeatedKey: (key: string) => `holds "${key}" twice in one object; keep one`,
  }
  const read = readJsonObject(asObject(bytes, notJson), faults, refuse, parseWithNaN)
  const { model, judge, protocol, rows } = read
  return {
    model,
    judge,
    protocol,
    rows: listedRows(rows, { key: "rows", one: "row", shape: SHAPE }).map(({ row }) => row),
  }
}

/** alpaca_eval's file is a list; the reader of objects, which refuses repeated keys, gets it as `rows`. */
function asObject(bytes: Uint8Array, notUtf8: string): string {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes)
    return text.trimStart().startsWith("[") ? `{"rows":${text}}` : text
  } catch {
    throw refuse(notUtf8)
  }
}

/** Python writes a preference that is missing as NaN, which is no JSON. */
function parseWithNaN(text: string): unknown {
  if (!text.includes("NaN")) return JSON.parse(text)
  return JSON.parse(text.replaceAll(/("[^"\\]*(?:\\.[^"\\]*)*")|\bNaN\b/g, (_, string?: string) => string ?? "null"))
}

function annotationOf(row: Row, index: number): Annotation {
  const name = `row ${index + 1}`
  const baselineLength = lengthOf(row, "len1", "output_1", name)
  const modelLength = lengthOf(row, "len2", "output_2", name)
  const isSame = typeof row.output_1 === "string" && row.output_1 === row.output_2
  return {
    instruction: row.i === undefined ? index : wholeNumber(row.i, MAX_ROWS, `${name}: "i"`),
    preference: preferenceOfRow(row, name) ?? (isSame ? DRAW : undefined),
    baselineLength,
    modelLength,
  }
}

function lengthOf(row: Row, stated: string, output: string, name: string): number {
  const text = row[output]
  if (row[stated] !== undefined) return wholeNumber(row[stated], MAX_LENGTH, `${name}: "${stated}"`)
  if (typeof text === "string") return codePointLength(text)
  throw refuse(`${name} has neither "${stated}", a number of characters, nor a text "${output}"; give one`)
}

function wholeNumber(value: unknown, most: number, name: string): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most) return value as number
  throw refuse(`${name} is ${JSON.stringify(value)}; give a whole number from 0 to ${most}`)
}

/** As stated, or from the log-probs; both must say the same. */
function preferenceOfRow(row: Row, name: string): number | undefined {
  const stated = statedPreference(row.pref ?? row.preference, name)
  const judged = preferenceOf({
    first: logProbOf(row.lp_m, `${name}: "lp_m"`),
    second: logProbOf(row.lp_M, `${name}: "lp_M"`),
    isSwapped: swappedOf(row, name),
  })
  if (stated !== undefined && judged !== undefined && Math.abs(stated - judged) > ROUNDING) {
    throw refuse(
      `${name} states the preference ${stated}, and its log-probs say ${judged}; correct one (is "swapped" right?)`,
    )
  }
  return stated ?? judged
}

/** 0 is how a draw was written once, −1 how a call that failed is. */
function statedPreference(value: unknown, name: string): number | undefined {
  if (value === undefined || value === null || value === -1) return undefined
  if (value === 0) return DRAW
  if (typeof value === "number" && value >= 1 && value <= 2) return value
  throw refuse(
    `${name}: the preference is ${JSON.stringify(value)}; give a number from 1 (the baseline is better) to 2, or null`,
  )
}

function logProbOf(value: unknown, name: string): number | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === "number" && value <= 0) return value
  throw refuse(`${name} is ${JSON.stringify(value)}; a log-prob is a number of at most 0`)
}

function swappedOf(row: Row, name: string): boolean {
  if (typeof row.swapped === "boolean") return row.swapped
  const hasLogProbs = typeof row.lp_m === "number" || typeof row.lp_M === "number"
  if (row.swapped === undefined && !hasLogProbs) return false
  throw refuse(
    `${name}: "swapped" is ${JSON.stringify(row.swapped)}; say true where the model's answer was shown first, else false`,
  )
}

function refuseRepeats(annotations: readonly Annotation[]): void {
  const seen = new Map<number, number>()
  annotations.forEach(({ instruction }, index) => {
    const before = seen.get(instruction)
    if (before !== undefined) {
      throw refuse(
        `rows ${before + 1} and ${index + 1} are both of instruction ${instruction}; keep one judgement of it`,
      )
    }
    seen.set(instruction, index)
  })
}
