// Names a reference by the values its weights had: a base that is rounded or quantised is another reference than its checkpoint.

import { referenceFingerprint } from "#shared/formats/digest.ts"
import { decoderTensorShapes } from "#shared/formats/families/decoder-config.ts"
import { type BaseWeights, isExact } from "#shared/formats/weights/base-weights.ts"
import { sha256 } from "../files.ts"
import type { ModelFolder } from "./model-folder.ts"

/** The model's own fingerprint where every weight keeps its value; else the fingerprint of the model in that precision. */
export async function baseFingerprint(model: ModelFolder, baseWeights: BaseWeights): Promise<string> {
  const tensors = [...decoderTensorShapes(model.config).keys()].map((name) => model.tensors.get(name)!)
  if (baseWeights === "stored" || isExact(tensors, baseWeights)) return model.fingerprint
  const { chatTemplate } = model.tokenisation
  const template = chatTemplate === undefined ? "" : sha256(chatTemplate)
  return referenceFingerprint({ weights: model.weightsDigest, tokenizer: model.tokenizerDigest, template }, baseWeights)
}
