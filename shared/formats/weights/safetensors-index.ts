// The index of weights that are cut into shards: which tensor is in which safetensors file.
// Source: huggingface_hub, serialization/_base.py.
import { InvalidModel } from "../families/decoder-config.ts"

/** The index's name in a model folder. */
export const WEIGHTS_INDEX = "model.safetensors.index.json"

/** File names of an index, in order; names only, never paths. Throws InvalidModel. */
export function shardNames(indexJson: string): string[] {
  if (indexJson.startsWith("version https://git-lfs.github.com/spec/v1")) {
    throw new InvalidModel(
      `${WEIGHTS_INDEX} is a Git LFS pointer, not the file itself: run git lfs pull in the model folder`,
    )
  }
  const fault = new InvalidModel(
    `${WEIGHTS_INDEX} has no weight_map of tensor names to file names; fetch the model folder again`,
  )
  let weightMap: unknown
  try {
    weightMap = (JSON.parse(indexJson) as { weight_map?: unknown } | null)?.weight_map
  } catch {
    throw fault
  }
  if (typeof weightMap !== "object" || weightMap === null) throw fault
  const names = [...new Set(Object.values(weightMap))].sort()
  if (names.length === 0 || !names.every((name) => typeof name === "string" && !/[/\\]/.test(name))) throw fault
  return names as string[]
}
