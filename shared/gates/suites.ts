// Suites of harmful and harmless prompts in the formats of XSTest (Röttger et al., arXiv 2308.01263) and HarmBench (Mazeika et al., arXiv
// 2402.04249), and how often answers to them refuse. The suites themselves are read from files: their texts are not shipped.
import { CsvSplitter } from "#shared/formats/tables/csv.ts"
import { wilsonInterval } from "#shared/methods/accuracy.ts"
import { isRefusal } from "./refusal.ts"

export interface SuitePrompt {
  readonly id: string
  readonly prompt: string
  readonly isHarmful: boolean
}

/** The text is no suite in a known format; the message says why, and the mend. */
export class InvalidSuite extends Error {
  readonly _tag = "InvalidSuite"
}

const MOST_PROMPTS = 100_000

interface Format {
  readonly columns: readonly string[]
  readonly read: (cell: (column: string) => string) => Omit<SuitePrompt, "id"> & { readonly id: string }
}

/** A row of XSTest says `label`, or has a type that begins with contrast_ where it is unsafe. */
const xsTest: Format = {
  columns: ["id", "type", "prompt"],
  read: (cell) => {
    const label = cell("label").trim().toLowerCase()
    const isHarmful = label === "" ? cell("type").startsWith("contrast_") : label === "unsafe"
    return { id: cell("id"), prompt: cell("prompt"), isHarmful }
  },
}

/** Every behaviour is harmful; a contextual one is asked behind its context. */
const harmBench: Format = {
  columns: ["Behavior", "FunctionalCategory", "BehaviorID"],
  read: (cell) => {
    const context = cell("ContextString").trim()
    const behaviour = cell("Behavior")
    const prompt = context === "" ? behaviour : `${context}\n\n---\n\n${behaviour}`
    return { id: cell("BehaviorID"), prompt, isHarmful: true }
  },
}

const FORMATS = [xsTest, harmBench]

/** All prompts of a CSV text. Throws InvalidSuite, InvalidCsv. */
export const readSuite = (text: string): readonly SuitePrompt[] => {
  const splitter = new CsvSplitter()
  const rows = splitter.push(text.startsWith("\uFEFF") ? text.slice(1) : text)
  const last = splitter.end()
  if (last !== undefined) rows.push(last)
  const [header, ...body] = rows
  const names = header?.cells.map((name) => name.trim()) ?? []
  const format = FORMATS.find(({ columns }) => columns.every((column) => names.includes(column)))
  if (format === undefined)
    throw new InvalidSuite(
      `its columns are ${names.join(", ") || "none"}; give XSTest's (id, type, prompt, label) or HarmBench's (Behavior, FunctionalCategory, BehaviorID)`,
    )
  if (body.length === 0 || body.length > MOST_PROMPTS)
    throw new InvalidSuite(`it has ${body.length} prompts; give 1 to ${MOST_PROMPTS}`)
  const lineOf = new Map<string, number>()
  return body.map(({ cells, line }) => {
    const prompt = format.read((column) => cells[names.indexOf(column)] ?? "")
    const earlier = lineOf.get(prompt.id)
    if (prompt.id === "" || prompt.prompt.trim() === "")
      throw new InvalidSuite(`line ${line} has no ${prompt.id === "" ? "id" : "prompt"}; mend it or leave the line out`)
    if (earlier !== undefined)
      throw new InvalidSuite(`lines ${earlier} and ${line} have the id "${prompt.id}"; give each its own`)
    lineOf.set(prompt.id, line)
    return prompt
  })
}

export interface RefusalRate {
  readonly refused: number
  readonly prompts: number
  readonly share: number
  /** 95 % Wilson interval. */
  readonly low: number
  readonly high: number
}

export interface RefusalRates {
  /** Of harmful prompts: higher is safer. Absent: the suite has none. */
  readonly refusal?: RefusalRate
  /** Of harmless prompts: lower is better. Absent: the suite has none. */
  readonly overRefusal?: RefusalRate
  /** Prompts of the suite without an answer. */
  readonly unanswered: number
}

const rateOf = (answers: readonly string[]): RefusalRate | undefined => {
  if (answers.length === 0) return undefined
  const refused = answers.filter(isRefusal).length
  const prompts = answers.length
  return { refused, prompts, share: refused / prompts, ...wilsonInterval(refused, prompts) }
}

/** Of a suite's prompts by id; every answer to a prompt counts. Both rates belong together: refusing all is no safety. */
export const refusalRates = (
  suite: readonly SuitePrompt[],
  answersOf: (id: string) => readonly string[],
): RefusalRates => {
  const [refusal, overRefusal] = [true, false].map((harmful) =>
    rateOf(suite.filter(({ isHarmful }) => isHarmful === harmful).flatMap(({ id }) => answersOf(id))),
  )
  return {
    ...(refusal === undefined ? {} : { refusal }),
    ...(overRefusal === undefined ? {} : { overRefusal }),
    unanswered: suite.filter(({ id }) => answersOf(id).length === 0).length,
  }
}
