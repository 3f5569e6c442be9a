// Files of judged games: rows of labels and counts alone ({"model", "rows": [{"q", "g", "s"}]}), or the JSON Lines that arena-hard-auto writes, whose
// judgements hold no styles; and the baseline's styles. Bytes in, typed questions out; what cannot be understood is an error that names its row.
import { readJsonObject } from "#shared/formats/json-object.ts"
import { UnusableJudgements } from "../evaluation-error.ts"
import { listedRows, MAX_ROWS } from "../listed-rows.ts"
import { GAMES, type JudgedQuestion, type StyleCounts } from "./battles.ts"
import type { BaselineStyles } from "./style-control.ts"
import { type Version, verdictOf } from "./verdict.ts"

export interface JudgementFile {
  /** Whose answers were judged; undefined where the file does not say. */
  readonly model: string | undefined
  readonly questions: readonly JudgedQuestion[]
  /** How the games were judged, where the file says it. */
  readonly protocol?: string
}

const MAX_COUNT = 1_000_000_000
const SHAPE =
  '{"model": …, "rows": [{"q": question, "g": [first verdict, second verdict], "s": [tokens, headers, lists, bold]}]}'

type Row = Readonly<Record<string, unknown>>

const refuse = (message: string) => new UnusableJudgements(message)

/** Throws UnusableJudgements, whose message continues a sentence that begins with the file's name. */
export function readJudgementFile(bytes: Uint8Array, version: Version): JudgementFile {
  const text = textOf(bytes)
  const [firstLine = ""] = text.trimStart().split("\n", 1)
  const file = isRecord(firstLine) ? linesFile(text, version) : rowsFile(text, version)
  if (file.questions.length === 0) throw refuse("holds no rows; judge some answers first")
  const seen = new Set<string>()
  for (const { question } of file.questions) {
    if (seen.has(question)) throw refuse(`holds question ${question} twice; keep one of the two`)
    seen.add(question)
  }
  return file
}

/** Whether the first line is a record of arena-hard-auto's. */
function isRecord(line: string): boolean {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === "object" && value !== null && Object.hasOwn(value, "games")
  } catch {
    return false
  }
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes)
  } catch {
    throw refuse(`is not in UTF-8; give ${SHAPE}`)
  }
}

function objectOf(text: string, name: string): Row {
  const notJson = `${name}is no JSON object; give ${SHAPE}, or arena-hard-auto's lines`
  const repeatedKey = (key: string) => `${name}holds "${key}" twice in one object; keep one`
  return readJsonObject(text, { notUtf8: notJson, notJson, notObject: notJson, repeatedKey }, refuse)
}

function rowsFile(text: string, version: Version): JudgementFile {
  const { model, protocol, rows } = objectOf(text, "")
  const questions = listedRows(rows, { key: "rows", one: "row", shape: SHAPE }).map(({ name, row }) => {
    const { q, g, s } = row
    return {
      question: questionOf(q, `${name}: "q"`),
      verdicts: verdictsOf(g, (each) => each, version, `${name}: "g"`),
      style: s === undefined || s === null ? undefined : styleOf(s, `${name}: "s"`),
    }
  })
  const named = typeof model === "string" ? model : undefined
  return { model: named, questions, ...(typeof protocol === "string" && { protocol }) }
}

/** {"uid" or "question_id", "model", "category"?, "games": [{"score"}, {"score"}]}, one a line. */
function linesFile(text: string, version: Version): JudgementFile {
  const lines = text.split("\n").flatMap((line, index) => (line.trim() === "" ? [] : [{ line, index }]))
  if (lines.length > MAX_ROWS) throw refuse(`holds ${lines.length} lines; at most ${MAX_ROWS} are read`)
  const read = lines.map(({ line, index }) => {
    const name = `line ${index + 1}`
    const { uid, question_id: id = uid, games, model, category } = objectOf(line, `${name} `)
    const question = questionOf(id, `${name}: "question_id" or "uid"`)
    const labelOf = (game: unknown) => (typeof game === "object" && game !== null ? (game as Row).score : game)
    const verdicts = verdictsOf(games, labelOf, version, `${name}: "games"`)
    return { model, category, judged: { question, verdicts, style: undefined } }
  })
  for (const [key, what] of [
    ["model", "models"],
    ["category", "categories, whose baselines differ"],
  ] as const) {
    const values = [...new Set(read.map((each) => each[key]))]
    if (values.length > 1)
      throw refuse(`holds ${values.length} ${what}: ${values.slice(0, 3).join(", ")}; give a file of one`)
  }
  const model = read[0]?.model
  return { model: typeof model === "string" ? model : undefined, questions: read.map(({ judged }) => judged) }
}

function questionOf(value: unknown, name: string): string {
  if (typeof value === "string" && value !== "") return value
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return `${value}`
  throw refuse(`${name} is ${JSON.stringify(value)}; give the question's number or id`)
}

/** Labels that the protocol does not know are no verdicts, as what a judge's answer did not hold. */
function verdictsOf(
  value: unknown,
  labelOf: (game: unknown) => unknown,
  version: Version,
  name: string,
): JudgedQuestion["verdicts"] {
  if (!Array.isArray(value) || value.length === 0 || value.length > GAMES) {
    throw refuse(`${name} is no list of the verdicts of one or ${GAMES} games; give null for a game without a verdict`)
  }
  return value.map((game: unknown) => {
    const label = labelOf(game)
    if (label === null || label === undefined) return undefined
    if (typeof label !== "string")
      throw refuse(`${name} holds ${JSON.stringify(label)}; give labels such as "A>B", or null`)
    return verdictOf(label, version)
  })
}

function styleOf(value: unknown, name: string): StyleCounts {
  const isCount = (each: unknown) => typeof each === "number" && each >= 0 && each <= MAX_COUNT
  if (Array.isArray(value) && value.length === 4 && value.every(isCount)) return value as unknown as StyleCounts
  throw refuse(`${name} is no list of four counts from 0 to ${MAX_COUNT}: tokens, headers, lists, bold`)
}

/**
 * {"baseline_style": [counts, …], "question_ids"?: [id, …]}: by position, which is a question's number, and by id where ids are given. Throws
 * UnusableJudgements.
 */
export function readBaselineStyles(bytes: Uint8Array): BaselineStyles {
  const { baseline_style: styles, question_ids: ids } = objectOf(textOf(bytes), "")
  if (!Array.isArray(styles) || styles.length === 0 || styles.length > MAX_ROWS) {
    throw refuse('has no list "baseline_style" of [tokens, headers, lists, bold], one a question')
  }
  if (ids !== undefined && (!Array.isArray(ids) || ids.length !== styles.length)) {
    throw refuse(`has ${styles.length} styles and another number of "question_ids"; give one a style, or none`)
  }
  const counts = styles.map((style: unknown, index) => styleOf(style, `"baseline_style" ${index + 1}`))
  const named = (ids ?? []).map(
    (id: unknown, index: number) => [questionOf(id, `"question_ids" ${index + 1}`), counts[index]!] as const,
  )
  return new Map([...named, ...counts.map((style, index) => [`${index}`, style] as const)])
}
