// Which files hold a model's weights: one, or the shards that an index names, and which tensor is in which.
// Source: huggingface_hub, serialization/_base.py.
import { sha256Hex } from "../digest.ts"
import { checkModelTensors, type DecoderConfig, InvalidModel } from "../families/decoder-config.ts"
import { isLfsPointer } from "../git-lfs.ts"
import { readJsonObject } from "../json-object.ts"
import type { TensorDescription } from "./safetensors.ts"

/** Weights that are in one file. */
export const WEIGHTS = "model.safetensors"

/** The index's name in a model folder. */
export const WEIGHTS_INDEX = "model.safetensors.index.json"

const NO_MAP = `${WEIGHTS_INDEX} has no weight_map of tensor names to file names; fetch the model folder again`
const JSON_FAULTS = {
  notUtf8: NO_MAP,
  notJson: NO_MAP,
  notObject: NO_MAP,
  repeatedKey: (key: string) =>
    `${WEIGHTS_INDEX} holds ${JSON.stringify(key)} twice, and which counts would depend on the reader; remove one`,
}

/** Which file holds each tensor; names of files only, never paths. Throws InvalidModel, also where a tensor stands twice. */
export function weightMap(indexJson: string): Map<string, string> {
  if (isLfsPointer(indexJson)) {
    throw new InvalidModel(
      `${WEIGHTS_INDEX} is a Git LFS pointer, not the file itself: run git lfs pull in the model folder`,
    )
  }
  const refused = (message: string) => new InvalidModel(message)
  const { weight_map: map } = readJsonObject(indexJson, JSON_FAULTS, refused)
  if (typeof map !== "object" || map === null) throw refused(NO_MAP)
  const entries = Object.entries(map)
  const isName = (name: unknown) => typeof name === "string" && !/[/\\]/.test(name)
  if (entries.length === 0 || !entries.every(([, name]) => isName(name))) throw refused(NO_MAP)
  return new Map(entries as [string, string][])
}

/** File names of an index, in order. Throws InvalidModel. */
export function shardNames(indexJson: string): string[] {
  return [...new Set(weightMap(indexJson).values())].sort()
}

/** The files that hold a model's weights, in order: one, or the shards that an index names, where there is one. Throws InvalidModel. */
export function weightFiles(names: readonly string[], indexJson: string | undefined): string[] {
  if (names.includes(WEIGHTS) || indexJson === undefined) return [WEIGHTS]
  const shards = shardNames(indexJson)
  const missing = shards.filter((name) => !names.includes(name))
  if (missing.length === 0) return shards
  throw new InvalidModel(
    `${WEIGHTS_INDEX} names ${missing.join(", ")}, which the model's files lack; add what is missing`,
  )
}

/** Names weights by the digests of their files, in order: a single file by its own. */
export async function weightsDigest(
  files: readonly { readonly name: string; readonly digest: string }[],
): Promise<string> {
  const [first] = files
  if (first?.name === WEIGHTS) return first.digest
  return sha256Hex(files.map(({ digest }) => digest).join("\n"))
}

/**
 * Holds the headers of weights, by file, against the index and the configuration: every tensor where the index says, none twice, none
 * missing, each with the shape that the model has; `more` are tensors beside the decoder's. Throws InvalidModel.
 */
export function checkWeightHeaders(
  config: DecoderConfig,
  headers: ReadonlyMap<string, readonly TensorDescription[]>,
  indexJson: string | undefined,
  more?: ReadonlyMap<string, readonly number[]>,
): void {
  const all = new Map<string, TensorDescription>()
  const holders = new Map<string, string>()
  for (const [file, tensors] of headers) {
    for (const tensor of tensors) {
      const other = holders.get(tensor.name)
      if (other !== undefined) throw heldTwice(tensor.name, other, file)
      holders.set(tensor.name, file)
      all.set(tensor.name, tensor)
    }
  }
  if (!headers.has(WEIGHTS) && indexJson !== undefined) {
    for (const [tensor, file] of weightMap(indexJson)) {
      if (holders.get(tensor) === file) continue
      const found = holders.get(tensor)
      const where = found === undefined ? "no file of the model holds it" : `it is in ${found}`
      throw new InvalidModel(
        `${WEIGHTS_INDEX} says that ${file} holds ${tensor}, and ${where}; take index and shards from one version of the model`,
      )
    }
  }
  checkModelTensors(config, all, more)
}

/** Which of the two counts would depend on the order of reading. */
export const heldTwice = (tensor: string, first: string, second: string): InvalidModel =>
  new InvalidModel(
    `${first} and ${second} both hold ${tensor}; fetch the model folder again, without files of another version`,
  )
