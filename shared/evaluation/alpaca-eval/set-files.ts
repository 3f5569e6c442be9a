// What belongs to an evaluation set rather than to a model: its instructions' difficulties, and its gamed baselines' rows.
import { readJsonObject } from "#shared/formats/json-object.ts"
import { CsvSplitter, InvalidCsv } from "#shared/formats/tables/csv.ts"
import { UnusableJudgements } from "../evaluation-error.ts"
import type { Difficulties, GamedRow } from "./length-rows.ts"

const MAX_DIFFICULTY = 1e6

const refuse = (message: string) => new UnusableJudgements(message)

/** {"instruction_difficulty": [number, …]}, by position of the instruction. Throws UnusableJudgements, as readAnnotationFile does. */
export function readDifficulties(bytes: Uint8Array): Difficulties {
  const notJson = 'is no JSON in UTF-8; give {"instruction_difficulty": […]}'
  const faults = {
    notUtf8: notJson,
    notJson,
    notObject: notJson,
    repeatedKey: (key: string) => `holds "${key}" twice; keep one`,
  }
  const { instruction_difficulty: values } = readJsonObject(bytes, faults, refuse)
  if (!Array.isArray(values) || values.length === 0) {
    throw refuse('has no list "instruction_difficulty" with a number for each instruction')
  }
  const bad = values.findIndex((value) => typeof value !== "number" || !(Math.abs(value) <= MAX_DIFFICULTY))
  if (bad >= 0) throw refuse(`the difficulty of instruction ${bad} is ${JSON.stringify(values[bad])}; give a number`)
  return values as number[]
}

/** CSV with the columns model, index, len_1, len_2 and preference_surrogate (0 to 1) or preference (1 to 2). Throws UnusableJudgements. */
export function readGamedRows(bytes: Uint8Array): readonly GamedRow[] {
  const [head, ...rows] = csvRows(bytes)
  const column = (name: string) => {
    const at = head?.cells.indexOf(name) ?? -1
    if (at < 0) throw refuse(`has no column ${name}; it has ${head?.cells.join(", ") ?? "none"}`)
    return at
  }
  const [model, index, len1, len2] = [column("model"), column("index"), column("len_1"), column("len_2")]
  const isSurrogate = head!.cells.includes("preference_surrogate")
  const preference = column(isSurrogate ? "preference_surrogate" : "preference")
  if (rows.length === 0) throw refuse("holds no rows below its columns")
  return rows.map(({ line, cells }) => {
    const number = (at: number, low: number, high: number, isWhole: boolean) =>
      numberOf(cells[at], low, high, isWhole, `line ${line}: ${head!.cells[at]}`)
    return {
      gamedModel: cells[model] ?? "",
      instruction: number(index, 0, 1e6, true),
      baselineLength: number(len1, 0, 1e9, true),
      modelLength: number(len2, 0, 1e9, true),
      preference: isSurrogate ? number(preference, 0, 1, false) : number(preference, 1, 2, false) - 1,
    }
  })
}

function csvRows(bytes: Uint8Array) {
  try {
    const splitter = new CsvSplitter()
    const rows = splitter.push(new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes))
    const last = splitter.end()
    return last === undefined ? rows : [...rows, last]
  } catch (error) {
    if (error instanceof InvalidCsv) throw refuse(`line ${error.line}: ${error.message}`)
    throw refuse("is no text in UTF-8; give a CSV file")
  }
}

function numberOf(cell: string | undefined, low: number, high: number, isWhole: boolean, name: string): number {
  const value = Number(cell)
  const isNumber = cell !== undefined && cell.trim() !== "" && value >= low && value <= high
  if (isNumber && (!isWhole || Number.isInteger(value))) return value
  throw refuse(
    `${name} is ${JSON.stringify(cell ?? "")}; give a ${isWhole ? "whole number" : "number"} from ${low} to ${high}`,
  )
}
