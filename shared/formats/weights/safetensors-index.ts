// The index of weights that are cut into shards: which tensor is in which safetensors file.
// Source: huggingface_hub, serialization/_base.py.
import { InvalidModel } from "../families/decoder-config.ts"
import { isLfsPointer } from "../git-lfs.ts"
import { readJsonObject } from "../json-object.ts"

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

/** File names of an index, in order; names only, never paths. Throws InvalidModel, also where a tensor stands twice. */
export function shardNames(indexJson: string): string[] {
  if (isLfsPointer(indexJson)) {
    throw new InvalidModel(
      `${WEIGHTS_INDEX} is a Git LFS pointer, not the file itself: run git lfs pull in the model folder`,
    )
  }
  const refused = (message: string) => new InvalidModel(message)
  const { weight_map: weightMap } = readJsonObject(indexJson, JSON_FAULTS, refused)
  if (typeof weightMap !== "object" || weightMap === null) throw refused(NO_MAP)
  const names = [...new Set(Object.values(weightMap))].sort()
  const isName = (name: unknown) => typeof name === "string" && !/[/\\]/.test(name)
  if (names.length === 0 || !names.every(isName)) throw refused(NO_MAP)
  return names as string[]
}
