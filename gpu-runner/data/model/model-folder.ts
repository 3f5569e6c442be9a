// A Hugging Face model folder: config.json, model.safetensors (whole or in shards with an index), tokenizer.json,
// tokenizer_config.json and what belongs to them (tokenizer-folder.ts). Also PEFT adapter folders.
import { cpSync, existsSync, readFileSync, rmSync } from "node:fs"
import path from "node:path"
import type { Files } from "#shared/domain/Files.ts"
import { referenceFingerprint } from "#shared/formats/digest.ts"
import { type DecoderConfig, InvalidModel } from "#shared/formats/families/decoder-config.ts"
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"
import { isLfsPointer } from "#shared/formats/git-lfs.ts"
import { type Adapter, readAdapter } from "#shared/formats/peft/adapter.ts"
import type { Tensor } from "#shared/formats/weights/safetensors.ts"
import { checkWeightHeaders, WEIGHTS, WEIGHTS_INDEX } from "#shared/formats/weights/safetensors-index.ts"
import type { Tokenisation } from "#shared/tokenisation/tokenisation.ts"
import { ModelFileMissing } from "../errors.ts"
import { readWholeFile, sha256 } from "../files.ts"
import { modelDirectory, readPullRecord } from "../hub/model-cache.ts"
import { checkTiedHead, type ModelWeights, readModelWeights, type WeightHead, weightsOfHeads } from "./model-weights.ts"
import { readTokenizerFolder, TOKENIZER_COMPANIONS } from "./tokenizer-folder.ts"

export interface ModelFolder {
  readonly directory: string
  /** How the model is named: owner/name where it was pulled from a hub, else the folder as it was given. */
  readonly name: string
  readonly config: DecoderConfig
  /** Weights by name; their bytes are read from disk at each access. */
  readonly tensors: ReadonlyMap<string, Tensor>
  /** The files that hold them. */
  readonly weights: ModelWeights
  readonly tokenisation: Tokenisation
  /** SHA-256 of tokenizer.json. */
  readonly tokenizerDigest: string
  /** SHA-256 of model.safetensors; of the shards' digests in order of name where there are several. */
  readonly weightsDigest: string
  /** Names the reference that this model is; see shared/formats/digest.ts. */
  readonly fingerprint: string
}

/** Told while a file of weights is read. */
export type OnWeightsRead = (file: string, bytes: number, total: number) => void

export const FOLDER_MEND =
  "give a Hugging Face model folder with config.json, safetensors, tokenizer.json and tokenizer_config.json"

/**
 * Reads and checks a model folder, or the folder of a pulled owner/name; its weights are held to `registered`, where that is given. Errors:
 * ModelFileMissing, ModelNotPulled, FileDamaged, InvalidModel, InvalidSafetensors, InvalidTokenizer, ChatTemplateRefused.
 */
export async function readModelFolder(given: string, onRead?: OnWeightsRead, registered?: Files): Promise<ModelFolder> {
  const directory = existingFolder(given)
  const read = () => readModelWeights(directory, FOLDER_MEND, onRead, registered)
  const model = await assembled(directory, parseDecoderConfig(configText(directory)), read)
  checkTiedHead(model.config, model.tensors)
  return { ...model, name: readPullRecord(directory)?.repository ?? given }
}

/**
 * A model whose documents are in a folder and of whose weights the heads alone are known: it can be planned with, and not computed with.
 * Errors: those of readModelFolder.
 */
export const readModelHeads = async (directory: string, heads: readonly WeightHead[]): Promise<ModelFolder> =>
  assembled(directory, parseDecoderConfig(configText(directory)), () => weightsOfHeads(heads))

/** The text of a folder's config.json. Errors: ModelFileMissing, InvalidModel. */
export const configText = (directory: string): string => requiredText(directory, "config.json")

/** The folder, or that of a pulled owner/name. Errors: ModelFileMissing, ModelNotPulled. */
export function existingFolder(given: string): string {
  const directory = modelDirectory(given)
  if (existsSync(directory)) return directory
  throw new ModelFileMissing(directory, FOLDER_MEND)
}

/** A model of its files; `more` are the shapes of weights beside the decoder's. Errors: those of readModelFolder. */
export async function assembled(
  directory: string,
  config: DecoderConfig,
  readWeights: () => Promise<ModelWeights>,
  more?: ReadonlyMap<string, readonly number[]>,
): Promise<ModelFolder> {
  const { tokenisation, tokenizerDigest } = readTokenizerFolder(directory, config.vocabularySize)
  const weights = await readWeights()
  const headers = weights.files.map(
    ({ name, tensors }) => [name, tensors.map((of) => weights.tensors.get(of)!)] as const,
  )
  // Beside a single file an index says nothing.
  const index = weights.files[0]?.name === WEIGHTS ? undefined : requiredText(directory, WEIGHTS_INDEX)
  checkWeightHeaders(config, new Map(headers), index, more)
  const { chatTemplate } = tokenisation
  const fingerprint = await referenceFingerprint({
    weights: weights.digest,
    tokenizer: tokenizerDigest,
    template: chatTemplate === undefined ? "" : sha256(chatTemplate),
  })
  const { tensors, digest: weightsDigest } = weights
  return {
    directory,
    name: directory,
    config,
    tensors,
    weights,
    tokenisation,
    tokenizerDigest,
    weightsDigest,
    fingerprint,
  }
}

function requiredFile(directory: string, name: string, mend = FOLDER_MEND): string {
  const file = path.join(directory, name)
  if (!existsSync(file)) throw new ModelFileMissing(file, mend)
  return file
}

function requiredText(directory: string, name: string): string {
  const file = requiredFile(directory, name)
  let text: string
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(file))
  } catch {
    throw new InvalidModel(`${file} is not UTF-8; fetch the model folder again`)
  }
  if (!isLfsPointer(text)) return text
  throw new InvalidModel(`${file} is a Git LFS pointer, not the file itself: run git lfs pull in the model folder`)
}

/** Reads a PEFT adapter for a model, on whose weights it must have been trained. Errors: ModelFileMissing, InvalidAdapter, AdapterOfOtherBase. */
export function readAdapterFolder(
  directory: string,
  { config, weightsDigest }: Pick<ModelFolder, "config" | "weightsDigest">,
): { adapter: Adapter; digest: string } {
  const bytes = (name: string) =>
    readWholeFile(
      requiredFile(directory, name, "give a PEFT folder with adapter_config.json and adapter_model.safetensors"),
    )
  const files = {
    "adapter_config.json": bytes("adapter_config.json"),
    "adapter_model.safetensors": bytes("adapter_model.safetensors"),
  }
  const digest = sha256(sha256(files["adapter_config.json"]), sha256(files["adapter_model.safetensors"]))
  return { adapter: readAdapter(files, config, weightsDigest), digest }
}

/** What stands beside the weights of a model. */
export const COMPANION_FILES: readonly string[] = [
  ...["config.json", "generation_config.json", "tokenizer.json"],
  ...TOKENIZER_COMPANIONS,
]

/** Copies what stands beside the weights into a new model folder. */
export function copyCompanionFiles(from: string, to: string): void {
  for (const name of COMPANION_FILES) {
    const file = path.join(from, name)
    if (!existsSync(file) || path.resolve(from) === path.resolve(to)) continue
    // A runner's model folder may be of links: it is files that a model folder is made of, and what an earlier try left is no reason to stop.
    rmSync(path.join(to, name), { recursive: true, force: true })
    cpSync(file, path.join(to, name), { recursive: true, dereference: true })
  }
}
