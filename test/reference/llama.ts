// A Llama forward pass in f64, written for reading: the oracle for the ONNX graph and for the device.
import type { LlamaConfig } from "#shared/formats/llama-config.ts"

/** Weights by Hugging Face tensor name, row-major. */
export type LlamaWeights = ReadonlyMap<string, ArrayLike<number>>

/** Log-prob in nats of each token from `responseStart` on, given everything before it: [T - responseStart]. */
export function llamaTokenLogProbs(
  _config: LlamaConfig,
  _weights: LlamaWeights,
  _tokenIds: ArrayLike<number>,
  _responseStart: number,
): Float64Array {
  throw new Error("unfinished")
}
