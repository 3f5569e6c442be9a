// The config.json files of test/golden: what different versions of transformers write for one model means one and the same to us.
import { readdirSync, readFileSync } from "node:fs"
import path from "node:path"
import { expect, test } from "vitest"
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"

const models = path.join(import.meta.dirname, "..", "..", "..", "golden", "models")

for (const name of readdirSync(models).sort()) {
  const parsed = (file: string) => parseDecoderConfig(readFileSync(path.join(models, name, file), "utf8"))

  for (const file of ["config.v4.44.json", "config.v5.json"]) {
    test(`${name}: ${file} is read as the same model as config.json`, () => {
      expect(parsed(file)).toEqual(parsed("config.json"))
    })
  }
}
