// The models that are known.
import { BytePairEncoding } from "./byte-pair-encoding.ts"
import { fault, partOf, refuse } from "./field.ts"
import type { Model } from "./model.ts"
import { Unigram } from "./unigram.ts"

/** The model of tokenizer.json. Throws InvalidTokenizer, naming a model that is not known. */
export function modelOf(value: unknown): Model {
  const part = partOf(value, "model")
  if (part?.type === "BPE") return new BytePairEncoding(part)
  if (part?.type === "Unigram") return new Unigram(part)
  return part === undefined ? fault("it has no model") : refuse(`a model of type ${part.type}`)
}
