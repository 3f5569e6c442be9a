// A file of training options: one JSON object in UTF-8, no key twice.
import { existsSync, readFileSync } from "node:fs"
import { InvalidTrainConfig } from "#shared/domain/TrainConfig.ts"
import { readJsonObject } from "#shared/formats/json-object.ts"

const NOT_JSON = "is not JSON in UTF-8; write one object of training options"
const JSON_FAULTS = {
  notUtf8: NOT_JSON,
  notJson: NOT_JSON,
  notObject: "is not a JSON object; write one object of training options",
  repeatedKey: (key: string) => `holds "${key}" twice; keep one`,
}

/** Options as written. Errors: InvalidTrainConfig. */
export function readConfigFile(file: string): Readonly<Record<string, unknown>> {
  const refused = (fault: string) => new InvalidTrainConfig({ message: `${file} ${fault}` })
  if (!existsSync(file)) throw refused("is missing; give a JSON file of training options")
  return readJsonObject(readFileSync(file), JSON_FAULTS, refused)
}
