// What was asked of a judge, apart from the answers: with the records it says everything that a report is made of, so that any number can be computed
// again without the texts, and without asking anybody.
import { readJsonObject } from "#shared/formats/json-object.ts"
import { UnusableJudgements } from "../evaluation-error.ts"
import { listedRows } from "../listed-rows.ts"
import type { JudgeParameters } from "./judge-question.ts"
import type { Message } from "./prompt-template.ts"
import { PROTOCOL_NAMES, type ProtocolName } from "./protocol.ts"

export const ASKED_FILE = "asked.json"

/** A pair of answers by its questions. */
export interface AskedPair {
  /** The question's name in its set, or its place from 0. */
  readonly id: string | number
  /** SHA-256 of instruction and both answers: the same in runs of other judges. */
  readonly digest: string
  /** Unicode code points. */
  readonly baselineLength: number
  readonly modelLength: number
  /** None of answers that are equal, which are a draw. */
  readonly questions: readonly { readonly key: string; readonly isSwapped: boolean }[]
  /** Where people compared the answers: 0 for the baseline's, which is the first, 1 for the model's; and the list items of both. */
  readonly votes?: readonly number[]
  readonly listItems?: readonly [number, number]
}

export interface AskedRun {
  readonly suite: string
  readonly protocol: ProtocolName
  readonly judge: string
  /** Whose answers are judged. */
  readonly model: string
  readonly parameters: JudgeParameters
  readonly template: readonly Message[]
  readonly pairs: readonly AskedPair[]
}

const refuse = (message: string) => new UnusableJudgements(`${message}; judge again, into a folder of its own`)

/** Reads what `JSON.stringify` wrote of a run. Throws UnusableJudgements, whose message continues a sentence that begins with the file's name. */
export function readAskedRun(bytes: Uint8Array): AskedRun {
  const notJson = "is no JSON object in UTF-8"
  const repeatedKey = (key: string) => `holds "${key}" twice in one object`
  return askedRunOf(readJsonObject(bytes, { notUtf8: notJson, notJson, notObject: notJson, repeatedKey }, refuse))
}

/** A run of its JSON. Throws as readAskedRun. */
export function askedRunOf(json: object): AskedRun {
  const run = json as Readonly<Record<string, unknown>>
  const textOf = (key: "suite" | "judge" | "model") => {
    if (typeof run[key] === "string") return run[key]
    throw refuse(`has no text "${key}"`)
  }
  const protocol = PROTOCOL_NAMES.find((name) => name === run.protocol)
  if (protocol === undefined) throw refuse(`names the protocol ${JSON.stringify(run.protocol)}, which is none`)
  const pairs = listedRows(run.pairs, { key: "pairs", one: "pair", shape: "what yohaku judge wrote" })
  return {
    ...{ suite: textOf("suite"), protocol, judge: textOf("judge"), model: textOf("model") },
    parameters: run.parameters as JudgeParameters,
    template: run.template as readonly Message[],
    pairs: pairs.map(({ name, row }) => pairOf(name, row)),
  }
}

function pairOf(name: string, row: Readonly<Record<string, unknown>>): AskedPair {
  const { id, digest, baselineLength, modelLength, questions } = row
  const isLength = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0
  const isQuestion = (value: unknown) => {
    const { key, isSwapped } = (value ?? {}) as { readonly key?: unknown; readonly isSwapped?: unknown }
    return typeof key === "string" && typeof isSwapped === "boolean"
  }
  const isWhole =
    (typeof id === "string" || Number.isSafeInteger(id)) &&
    typeof digest === "string" &&
    isLength(baselineLength) &&
    isLength(modelLength) &&
    Array.isArray(questions) &&
    questions.length <= 2 &&
    questions.every(isQuestion)
  if (isWhole) return row as unknown as AskedPair
  throw refuse(`${name} is not whole`)
}
