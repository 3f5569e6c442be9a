// Exports a plain Llama model as an ONNX graph that returns log-probabilities of response tokens.
// Standard operators only, f32 weights, and never a full [T, V] tensor of logits.
import { checkModelTensors, type DecoderConfig, InvalidModel } from "../families/decoder-config.ts"
import { asFloat32, type Tensor } from "../weights/tensor.ts"
import { MAX_PROTOBUF_BYTES, onnxModel } from "./graph-builder.ts"
import { llamaGraph, OPERATOR_SET_VERSION } from "./llama-graph.ts"

/** Names of the graph's inputs and output, as sessions must feed and fetch them. */
export const ONNX_INPUTS = { inputIds: "input_ids", responseStart: "response_start" } as const
export const ONNX_OUTPUT = "token_log_probs"

/**
 * Inputs: `input_ids` int64 [T] (one sequence, prompt + response), `response_start` int64 [1] (1 ≤ start < T).
 * Output: `token_log_probs` f32 [T - response_start], nats, each given everything before it.
 * Throws InvalidModel for another family than Llama or scaled rotary positions, when tensors do not fit the config, or when the
 * file would pass protobuf's 2 GiB.
 */
export function exportLlamaOnnx(model: {
  readonly config: DecoderConfig
  readonly tensors: ReadonlyMap<string, Tensor>
}): Uint8Array<ArrayBuffer> {
  const { config, tensors } = model
  requirePlainLlama(config)
  checkModelTensors(config, tensors)
  const graph = llamaGraph(config, (name) => asFloat32(tensors.get(name)!), { ...ONNX_INPUTS, output: ONNX_OUTPUT })
  const message = onnxModel(graph, OPERATOR_SET_VERSION)
  if (message.size > MAX_PROTOBUF_BYTES) {
    throw new InvalidModel(
      `the ONNX file would have ${message.size} bytes, over protobuf's 2 GiB; score this reference on the runner instead`,
    )
  }
  return message.toBytes()
}

function requirePlainLlama({ family, layers }: DecoderConfig): void {
  const scaling = layers.find(({ rope }) => rope.scaling)?.rope.scaling
  if (family === "llama" && !scaling) return
  const found = family === "llama" ? `rope type "${scaling!.type}"` : `family "${family}"`
  throw new InvalidModel(
    `the ONNX graph knows plain Llama only, and this model has ${found}; score this reference on the runner instead (yohaku score)`,
  )
}
