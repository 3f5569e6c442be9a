// A file of training options: one JSON object in UTF-8, no key twice.
import { existsSync, readFileSync } from "node:fs"
import { InvalidTrainConfig } from "#shared/domain/TrainConfig.ts"
import { findDuplicateKey } from "#shared/formats/strict-json.ts"

/** Options as written. Errors: InvalidTrainConfig. */
export function readConfigFile(file: string): Readonly<Record<string, unknown>> {
  const refuse = (fault: string): never => {
    throw new InvalidTrainConfig({ message: `${file} ${fault}` })
  }
  if (!existsSync(file)) return refuse("is missing; give a JSON file of training options")
  let text = ""
  let value: unknown
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(file))
    value = JSON.parse(text)
  } catch {
    return refuse("is not JSON in UTF-8; write one object of training options")
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return refuse("is not a JSON object; write one object of training options")
  }
  const duplicate = findDuplicateKey(text)
  if (duplicate !== undefined) refuse(`holds "${duplicate}" twice; keep one`)
  return value as Readonly<Record<string, unknown>>
}
