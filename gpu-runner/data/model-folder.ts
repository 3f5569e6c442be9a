// A Hugging Face model folder: config.json, model.safetensors (whole or in shards with an index), tokenizer.json,
// tokenizer_config.json and what belongs to them (tokenizer-folder.ts). Also PEFT adapter folders.
import { cpSync, existsSync, readFileSync } from "node:fs"
import path from "node:path"
import {
  checkModelTensors,
  type DecoderConfig,
  InvalidModel,
  parseDecoderConfig,
} from "#shared/formats/decoder-config.ts"
import { referenceFingerprint } from "#shared/formats/digest.ts"
import { type Adapter, readAdapter } from "#shared/formats/peft.ts"
import { readSafetensors, type Tensor } from "#shared/formats/safetensors.ts"
import type { Tokenisation } from "#shared/tokenisation/tokenisation.ts"
import { ModelFileMissing } from "./errors.ts"
import { readWholeFile, sha256 } from "./files.ts"
import { readTokenizerFolder, TOKENIZER_COMPANIONS } from "./tokenizer-folder.ts"

export interface ModelFolder {
  readonly directory: string
  readonly config: DecoderConfig
  /** Weights by name, views into the file's bytes. */
  readonly tensors: ReadonlyMap<string, Tensor>
  readonly tokenisation: Tokenisation
  /** SHA-256 of tokenizer.json. */
  readonly tokenizerDigest: string
  /** SHA-256 of model.safetensors; of the shards' digests in order of name where there are several. */
  readonly weightsDigest: string
  /** Names the reference that this model is; see shared/formats/digest.ts. */
  readonly fingerprint: string
}

const FOLDER_MEND =
  "give a Hugging Face model folder with config.json, safetensors, tokenizer.json and tokenizer_config.json"

/** Reads and checks a model folder. Errors: ModelFileMissing, InvalidModel, InvalidSafetensors, InvalidTokenizer, ChatTemplateRefused. */
export async function readModelFolder(directory: string): Promise<ModelFolder> {
  if (!existsSync(directory)) throw new ModelFileMissing(directory, FOLDER_MEND)
  const config = parseDecoderConfig(requiredText(directory, "config.json"))
  const { tokenisation, tokenizerDigest } = readTokenizerFolder(directory, config.vocabularySize)
  const { tensors, weightsDigest } = readWeights(directory)
  checkModelTensors(config, tensors)
  const { chatTemplate } = tokenisation
  const fingerprint = await referenceFingerprint({
    weights: weightsDigest,
    tokenizer: tokenizerDigest,
    template: chatTemplate === undefined ? "" : sha256(chatTemplate),
  })
  return { directory, config, tensors, tokenisation, tokenizerDigest, weightsDigest, fingerprint }
}

function requiredFile(directory: string, name: string, mend = FOLDER_MEND): string {
  const file = path.join(directory, name)
  if (!existsSync(file)) throw new ModelFileMissing(file, mend)
  return file
}

function requiredText(directory: string, name: string): string {
  const file = requiredFile(directory, name)
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(file))
  } catch {
    throw new InvalidModel(`${file} is not UTF-8; fetch the model folder again`)
  }
}

function readWeights(directory: string): { tensors: Map<string, Tensor>; weightsDigest: string } {
  const single = path.join(directory, "model.safetensors")
  if (existsSync(single)) {
    const bytes = readWholeFile(single)
    return { tensors: readSafetensors(bytes).tensors, weightsDigest: sha256(bytes) }
  }
  if (!existsSync(path.join(directory, INDEX))) {
    throw new ModelFileMissing(single, `${FOLDER_MEND}; sharded weights need ${INDEX}`)
  }
  const tensors = new Map<string, Tensor>()
  const digests: string[] = []
  for (const shard of shardNames(requiredText(directory, INDEX))) {
    const bytes = readWholeFile(requiredFile(directory, shard, `${INDEX} names it; fetch the model folder again`))
    digests.push(sha256(bytes))
    for (const [name, tensor] of readSafetensors(bytes).tensors) tensors.set(name, tensor)
  }
  return { tensors, weightsDigest: sha256(digests.join("\n")) }
}

const INDEX = "model.safetensors.index.json"

function shardNames(indexJson: string): string[] {
  const fault = new InvalidModel(
    `${INDEX} has no weight_map of tensor names to file names; fetch the model folder again`,
  )
  let weightMap: unknown
  try {
    weightMap = (JSON.parse(indexJson) as { weight_map?: unknown } | null)?.weight_map
  } catch {
    throw fault
  }
  if (typeof weightMap !== "object" || weightMap === null) throw fault
  const names = [...new Set(Object.values(weightMap))].sort()
  if (names.length === 0 || !names.every((name) => typeof name === "string" && name === path.basename(name)))
    throw fault
  return names as string[]
}

/** Reads a PEFT adapter for a model. Errors: ModelFileMissing, InvalidAdapter. */
export function readAdapterFolder(directory: string, config: DecoderConfig): { adapter: Adapter; digest: string } {
  const bytes = (name: string) =>
    readWholeFile(
      requiredFile(directory, name, "give a PEFT folder with adapter_config.json and adapter_model.safetensors"),
    )
  const files = {
    "adapter_config.json": bytes("adapter_config.json"),
    "adapter_model.safetensors": bytes("adapter_model.safetensors"),
  }
  const digest = sha256(sha256(files["adapter_config.json"]), sha256(files["adapter_model.safetensors"]))
  return { adapter: readAdapter(files, config), digest }
}

const COMPANIONS = ["config.json", "generation_config.json", "tokenizer.json"]

/** Copies what stands beside the weights into a new model folder. */
export function copyCompanionFiles(from: string, to: string): void {
  for (const name of [...COMPANIONS, ...TOKENIZER_COMPANIONS]) {
    const file = path.join(from, name)
    if (existsSync(file) && path.resolve(from) !== path.resolve(to))
      cpSync(file, path.join(to, name), { recursive: true })
  }
}
