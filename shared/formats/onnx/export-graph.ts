// Exports a decoder of any family as an ONNX graph that returns log-probabilities of response tokens. Standard operators only; neither
// [T, V] logits nor [T, T] scores are ever whole.
import { checkModelTensors, InvalidModel } from "../families/decoder-config.ts"
import { isExact } from "../weights/base-weights.ts"
import { buildDecoderGraph, OPERATOR_SET_VERSION } from "./decoder-graph.ts"
import { GraphBuilder, MAX_PROTOBUF_BYTES, onnxModel } from "./graph-builder.ts"
import { type GraphNotes, WeightTail } from "./graph-file.ts"
import { type GraphWeights, type ModelTensors, WeightsInGraph } from "./graph-weights.ts"

/** Names of the graph's inputs and output, as sessions must feed and fetch them. */
export const ONNX_INPUTS = { inputIds: "input_ids", responseStart: "response_start" } as const
export const ONNX_OUTPUT = "token_log_probs"

/**
 * Inputs: `input_ids` int64 [T] (one sequence, prompt + response), `response_start` int64 [1] (1 ≤ start < T).
 * Output: `token_log_probs` f32 [T - response_start], nats, each given everything before it. Matrices are held as `weights` says.
 * Throws InvalidModel when tensors do not fit the config or when the file would pass protobuf's 2 GiB; UnstorableWeight.
 */
export function exportOnnxGraph(model: ModelTensors, held: GraphWeights = "f32"): Uint8Array<ArrayBuffer> {
  const { config } = model
  checkModelTensors(config, model.tensors)
  const notes: GraphNotes = { weights: held, precision: isExact(model.tensors.values(), held) ? "f32" : held }
  const tail = new WeightTail()
  const graph = new GraphBuilder("decoder", tail)
  const weights = new WeightsInGraph(graph, model, held)
  buildDecoderGraph({ graph, config, weights }, { ...ONNX_INPUTS, output: ONNX_OUTPUT })
  const message = onnxModel(graph, OPERATOR_SET_VERSION, { ...notes })
  tail.appendTo(message)
  if (message.size > MAX_PROTOBUF_BYTES) {
    throw new InvalidModel(
      `the ONNX file would have ${message.size} bytes, over protobuf's 2 GiB; score this reference on the runner instead`,
    )
  }
  return message.toBytes()
}
