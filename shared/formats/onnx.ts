// Exports a Llama-layout model as an ONNX graph that returns log-probabilities of response tokens.
// Standard operators only, f32 throughout, and never a full [T, V] tensor of logits.
import type { LlamaConfig } from "./llama-config.ts"
import type { Tensor } from "./safetensors.ts"

/** Names of the graph's inputs and output, as sessions must feed and fetch them. */
export const ONNX_INPUTS = { inputIds: "input_ids", responseStart: "response_start" } as const
export const ONNX_OUTPUT = "token_log_probs"

/**
 * Inputs: `input_ids` int64 [T] (one sequence, prompt + response), `response_start` int64 [1] (1 ≤ start < T).
 * Output: `token_log_probs` f32 [T - response_start], nats, each given everything before it.
 * Throws InvalidModel.
 */
export function exportLlamaOnnx(_model: {
  readonly config: LlamaConfig
  readonly tensors: ReadonlyMap<string, Tensor>
}): Uint8Array<ArrayBuffer> {
  throw new Error("unfinished")
}
