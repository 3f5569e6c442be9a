// A Hugging Face config.json of the Llama layout, and the tensors that such a model must have.
// Options that change the arithmetic and are not implemented are refused by name.
import type { Tensor } from "./safetensors.ts"

/** Sizes and constants of a Llama decoder. */
export interface LlamaConfig {
  readonly vocabularySize: number
  readonly hiddenSize: number
  readonly intermediateSize: number
  readonly layerCount: number
  readonly headCount: number
  readonly keyValueHeadCount: number
  readonly headSize: number
  readonly rmsNormEpsilon: number
  readonly ropeTheta: number
  readonly maxPositions: number
  readonly tieWordEmbeddings: boolean
  readonly bosTokenId: number | null
  /** one or several turn terminators; empty when the config names none */
  readonly eosTokenIds: readonly number[]
}

/** The model folder cannot be used; the message names the option or tensor and the mend. */
export class InvalidModel extends Error {
  readonly _tag = "InvalidModel"
}

/** Parses config.json (text or parsed value). Throws InvalidModel. */
export function parseLlamaConfig(_configJson: unknown): LlamaConfig {
  throw new Error("unfinished")
}

/** Names and shapes of every weight, in layer order; linear weights are [out, in]. `lm_head.weight` only when untied. */
export function llamaTensorShapes(_config: LlamaConfig): Map<string, readonly number[]> {
  throw new Error("unfinished")
}

/** Checks names, shapes and dtypes (F32, F16, BF16). Throws InvalidModel naming every missing, misshaped or unknown tensor. */
export function checkModelTensors(
  _config: LlamaConfig,
  _tensors: ReadonlyMap<string, Pick<Tensor, "dtype" | "shape">>,
): void {
  throw new Error("unfinished")
}
