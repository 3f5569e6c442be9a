// A file of judged answers of which people looked at some: {"model", "rows": [{"judge": 0.8, "human": 1}, {"judge": 0.3}]}, a row a prompt, from 0 (the
// baseline's answer is better) to 1 (the model's). Bytes in, typed rows out; what cannot be understood is an error that names its row.
import { readJsonObject } from "#shared/formats/json-object.ts"
import { UnusableJudgements } from "../evaluation-error.ts"
import { listedRows } from "../listed-rows.ts"
import type { DoublyJudged } from "../statistics/prediction-powered.ts"

export interface AnchoredFile {
  readonly model: string | undefined
  readonly labelled: readonly DoublyJudged[]
  /** What the judge says where people were not asked. */
  readonly judgedAlone: readonly number[]
}

const SHAPE = '{"model": …, "rows": [{"judge": 0 to 1, "human": 0 to 1, or left away}]}'

const refuse = (message: string) => new UnusableJudgements(message)

/** Throws UnusableJudgements, whose message continues a sentence that begins with the file's name. */
export function readAnchoredFile(bytes: Uint8Array): AnchoredFile {
  const notJson = `is no JSON object in UTF-8; give ${SHAPE}`
  const repeatedKey = (key: string) => `holds "${key}" twice in one object; keep one`
  const { model, rows } = readJsonObject(bytes, { notUtf8: notJson, notJson, notObject: notJson, repeatedKey }, refuse)
  const labelled: DoublyJudged[] = []
  const judgedAlone: number[] = []
  for (const { name, row } of listedRows(rows, { key: "rows", one: "row", shape: SHAPE })) {
    const { judge, human } = row
    const share = shareOf(judge, `${name}: "judge"`)
    if (human === undefined || human === null) judgedAlone.push(share)
    else labelled.push({ judge: share, human: shareOf(human, `${name}: "human"`) })
  }
  return { model: typeof model === "string" ? model : undefined, labelled, judgedAlone }
}

function shareOf(value: unknown, name: string): number {
  if (typeof value === "number" && value >= 0 && value <= 1) return value
  throw refuse(
    `${name} is ${JSON.stringify(value)}; give a number from 0 (the baseline's answer is better) to 1 (the model's)`,
  )
}
