// A randomly initialised model of the demo's shape, where pre-training starts. Run: node infra/demo/recipe/initialise.ts
import { copyFile, readFile } from "node:fs/promises"
import { decoderTensorShapes } from "#shared/formats/families/decoder-config.ts"
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"
import { tensorOf, writeSafetensors } from "#shared/formats/weights/safetensors.ts"
import { repositoryPath, writeOutput } from "./outputs.ts"
import { SeededRandom } from "./random.ts"
import { MODEL_FOLDER } from "./tokenizer.ts"

export const INITIALISE_SEED = 20_261_102
export const RANDOM_MODEL_FOLDER = ".yohaku/demo/random"
export const MODEL_DOCUMENTS = ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"]

const WEIGHT_STANDARD_DEVIATION = 0.02

/** Bytes of model.safetensors: weights normal with standard deviation 0.02, norms 1, all F32. */
export function randomWeights(configJson: unknown, seed = INITIALISE_SEED): Uint8Array {
  const random = new SeededRandom(seed)
  const tensors = [...decoderTensorShapes(parseDecoderConfig(configJson))].map(([name, shape]) => {
    const values = new Float32Array(shape.reduce((size, length) => size * length, 1))
    const isNorm = shape.length === 1
    for (let index = 0; index < values.length; index++) {
      values[index] = isNorm ? 1 : WEIGHT_STANDARD_DEVIATION * random.normal()
    }
    return tensorOf(name, shape, values)
  })
  return writeSafetensors(tensors, { format: "pt" })
}

if (import.meta.main) {
  const configJson = await readFile(repositoryPath(`${MODEL_FOLDER}/config.json`), "utf8")
  await writeOutput(`${RANDOM_MODEL_FOLDER}/model.safetensors`, randomWeights(configJson))
  for (const name of MODEL_DOCUMENTS) {
    await copyFile(repositoryPath(`${MODEL_FOLDER}/${name}`), repositoryPath(`${RANDOM_MODEL_FOLDER}/${name}`))
  }
}
