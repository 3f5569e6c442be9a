// Names a reference by the values its weights had: a base that is rounded or quantised is another reference than its checkpoint.

import { referenceFingerprint } from "#shared/formats/digest.ts"
import { decoderTensorShapes } from "#shared/formats/families/decoder-config.ts"
import { type BaseWeights, isExact } from "#shared/formats/weights/base-weights.ts"
import {
  fingerprintPrecision,
  REFERENCE_PRECISIONS,
  type ReferencePrecision,
} from "#shared/formats/weights/reference-precision.ts"
import { sha256 } from "../files.ts"
import type { ModelFolder } from "./model-folder.ts"

/** What names a model. */
export interface NamedModel extends Pick<ModelFolder, "weightsDigest" | "tokenizerDigest"> {
  readonly tokenisation: Pick<ModelFolder["tokenisation"], "chatTemplate">
}

/** The model's own fingerprint where every weight keeps its value; else the fingerprint of the model in that precision. */
export async function baseFingerprint(model: ModelFolder, baseWeights: BaseWeights): Promise<string> {
  const tensors = [...decoderTensorShapes(model.config).keys()].map((name) => model.tensors.get(name)!)
  const isAsStored = baseWeights === "stored" || isExact(tensors, baseWeights)
  return isAsStored ? model.fingerprint : fingerprintOf(model, baseWeights)
}

/** The fingerprint of the model's reference in a precision, as whoever does not have its tensors names it too. */
export function fingerprintOf(model: NamedModel, precision: ReferencePrecision): Promise<string> {
  const { chatTemplate } = model.tokenisation
  const template = chatTemplate === undefined ? "" : sha256(chatTemplate)
  const identity = { weights: model.weightsDigest, tokenizer: model.tokenizerDigest, template }
  return referenceFingerprint(identity, fingerprintPrecision(precision))
}

/** The precision of the reference that a fingerprint names; undefined where it names no reference of this model. */
export async function precisionOfReference(
  model: NamedModel,
  fingerprint: string,
): Promise<ReferencePrecision | undefined> {
  for (const precision of REFERENCE_PRECISIONS) {
    if ((await fingerprintOf(model, precision)) === fingerprint) return precision
  }
  return undefined
}
