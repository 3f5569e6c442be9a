// The folder of a reward model: a decoder's, whose last hidden state one weight makes a number of.
import { InvalidModel } from "#shared/formats/families/decoder-config.ts"
import { parseRewardConfig, refuseSeveral, SCORE_WEIGHT } from "#shared/formats/families/reward-config.ts"
import { asFloat32 } from "#shared/formats/weights/safetensors.ts"
import { assembled, configText, existingFolder, FOLDER_MEND, type ModelFolder } from "./model-folder.ts"
import { type ModelWeights, readModelWeights } from "./model-weights.ts"

export interface RewardFolder {
  /** The decoder below the head; its digests are of all weights. */
  readonly model: ModelFolder
  /** [hidden size] */
  readonly score: Float32Array
  readonly padTokenId: number | undefined
}

/** Undefined where the folder is of a model that generates. Errors: as readModelFolder; InvalidModel of a head that gives no single number. */
export async function readRewardFolder(given: string): Promise<RewardFolder | undefined> {
  const directory = existingFolder(given)
  const config = parseRewardConfig(configText(directory))
  if (config === undefined) return undefined
  const shapes = new Map([[SCORE_WEIGHT, [1, config.decoder.hiddenSize]]])
  const read = async () => checkedHead(await readModelWeights(directory, FOLDER_MEND))
  const folder = await assembled(directory, config.decoder, read, shapes)
  const tensors = new Map(folder.tensors)
  const score = asFloat32(tensors.get(SCORE_WEIGHT)!)
  tensors.delete(SCORE_WEIGHT)
  return { model: { ...folder, tensors, name: given }, score, padTokenId: config.padTokenId }
}

/** Throws InvalidModel that says more than a shape. */
function checkedHead(weights: ModelWeights): ModelWeights {
  const labels = weights.tensors.get(SCORE_WEIGHT)?.shape[0]
  if (labels !== undefined) refuseSeveral(labels, SCORE_WEIGHT)
  if (weights.tensors.has("score.bias")) {
    throw new InvalidModel("score.bias: a reward head with a bias is not supported; use a reward model without one")
  }
  return weights
}
