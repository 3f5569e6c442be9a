// Which files of a model folder are the model, as it is registered: documents, weights in one file or in shards, and the edge's graph where
// there is one. Weights are looked at by their headers; none is read.
import { existsSync, readFileSync, statSync } from "node:fs"
import { open } from "node:fs/promises"
import path from "node:path"
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"
import type { TensorDescription } from "#shared/formats/weights/safetensors.ts"
import { checkWeightHeaders, shardNames, WEIGHTS, WEIGHTS_INDEX } from "#shared/formats/weights/safetensors-index.ts"
import { ModelFileMissing } from "../errors.ts"
import { headOfWeights } from "./weight-head.ts"

export interface ModelFile {
  readonly name: string
  readonly path: string
  readonly bytes: number
}

const NEEDED = ["config.json", "tokenizer.json", "tokenizer_config.json"]
const COMPANIONS = ["generation_config.json", "special_tokens_map.json", "chat_template.jinja", "chat_template.json"]
const OPTIONAL = [...COMPANIONS, "model.onnx"]

/** What is registered of a model besides its weights and the edge's graph, where it has them. */
export const MODEL_DOCUMENTS: readonly string[] = [...NEEDED, ...COMPANIONS, WEIGHTS_INDEX]

const MEND = "give a Hugging Face model folder with config.json, safetensors, tokenizer.json and tokenizer_config.json"

/** The files, smallest first. Errors: ModelFileMissing, InvalidModel, InvalidSafetensors. */
export async function modelFiles(directory: string): Promise<ModelFile[]> {
  const at = (name: string) => path.join(directory, name)
  const missing = NEEDED.find((name) => !existsSync(at(name)))
  if (missing !== undefined) throw new ModelFileMissing(at(missing), MEND)
  const hasIndex = !existsSync(at(WEIGHTS)) && existsSync(at(WEIGHTS_INDEX))
  const index = hasIndex ? readFileSync(at(WEIGHTS_INDEX), "utf8") : undefined
  const weights = index === undefined ? [WEIGHTS] : shardNames(index)
  const lacking = weights.find((name) => !existsSync(at(name)))
  if (lacking !== undefined)
    throw new ModelFileMissing(at(lacking), hasIndex ? `${WEIGHTS_INDEX} names it; fetch the model folder again` : MEND)
  const config = parseDecoderConfig(readFileSync(at("config.json"), "utf8"))
  const headers = new Map<string, readonly TensorDescription[]>()
  for (const name of weights) headers.set(name, await readHeader(at(name)))
  checkWeightHeaders(config, headers, index)
  const optional = OPTIONAL.filter((name) => existsSync(at(name)))
  const names = [...NEEDED, ...optional, ...(hasIndex ? [WEIGHTS_INDEX] : []), ...weights]
  return names
    .map((name) => ({ name, path: at(name), bytes: statSync(at(name)).size }))
    .sort((left, right) => left.bytes - right.bytes)
}

async function readHeader(file: string): Promise<readonly TensorDescription[]> {
  const handle = await open(file, "r")
  try {
    const { size: fileBytes } = await handle.stat()
    const start = async (length: number) => {
      const bytes = new Uint8Array(Math.min(length, fileBytes))
      await handle.read(bytes, 0, bytes.length, 0)
      return { bytes, fileBytes }
    }
    return (await headOfWeights(file, start))!
  } finally {
    await handle.close()
  }
}
