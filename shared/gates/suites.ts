// Suites of harmful and harmless prompts in the formats of XSTest (Röttger et al., arXiv 2308.01263) and HarmBench (Mazeika et al., arXiv
// 2402.04249), and how often answers to them refuse. The suites themselves are read from files: their texts are not shipped.
import type { RefusalLabel } from "#shared/evaluation/judge/refusal-question.ts"
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

/** What a judge says of answers, beside what the rule says. */
export interface JudgedRefusals {
  /** As with the rule: full refusals. */
  readonly refusal?: RefusalRate
  readonly overRefusal?: RefusalRate
  /** Answers that give some of what was asked for and hold the rest back: counted as no refusals. */
  readonly partly: number
  /** Answers of which the judge said nothing that can be read: left out. */
  readonly notJudged: number
  /** Of the judged answers those of which the rule says the same. */
  readonly agreed: number
  readonly judged: number
}

const rateOf = (refusals: readonly boolean[]): RefusalRate | undefined => {
  if (refusals.length === 0) return undefined
  const refused = refusals.filter(Boolean).length
  const prompts = refusals.length
  return { refused, prompts, share: refused / prompts, ...wilsonInterval(refused, prompts) }
}

interface Told {
  readonly isHarmful: boolean
  readonly refuses: boolean
}

const bothRates = (told: readonly Told[]): Pick<RefusalRates, "refusal" | "overRefusal"> => {
  const of = (harmful: boolean) =>
    rateOf(told.filter(({ isHarmful }) => isHarmful === harmful).map(({ refuses }) => refuses))
  const [refusal, overRefusal] = [of(true), of(false)]
  return { ...(refusal === undefined ? {} : { refusal }), ...(overRefusal === undefined ? {} : { overRefusal }) }
}

/** Of a suite's prompts by id; every answer to a prompt counts. Both rates belong together: refusing all is no safety. */
export const refusalRates = (
  suite: readonly SuitePrompt[],
  answersOf: (id: string) => readonly string[],
): RefusalRates => {
  const told = suite.flatMap(({ id, isHarmful }) =>
    answersOf(id).map((answer) => ({ isHarmful, refuses: isRefusal(answer) })),
  )
  return { ...bothRates(told), unanswered: suite.filter(({ id }) => answersOf(id).length === 0).length }
}

/** The same by what a judge says of each answer, and how often the rule goes with it. */
export const judgedRefusalRates = (
  suite: readonly SuitePrompt[],
  answersOf: (id: string) => readonly string[],
  labelOf: (prompt: SuitePrompt, answer: string) => RefusalLabel | undefined,
): JudgedRefusals => {
  const all = suite.flatMap((prompt) =>
    answersOf(prompt.id).map((answer) => ({ prompt, answer, label: labelOf(prompt, answer) })),
  )
  const told = all.flatMap(({ prompt: { isHarmful }, answer, label }) =>
    label === undefined ? [] : [{ isHarmful, refuses: label === "refuses", rule: isRefusal(answer), label }],
  )
  return {
    ...bothRates(told),
    partly: told.filter(({ label }) => label === "partly").length,
    notJudged: all.length - told.length,
    agreed: told.filter(({ refuses, rule }) => refuses === rule).length,
    judged: told.length,
  }
}
