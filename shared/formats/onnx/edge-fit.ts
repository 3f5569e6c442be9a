// Whether the edge can compute a model's reference: the memory that ONNX Runtime takes for its graph, foreseen from the model's sizes.
import { type DecoderConfig, decoderTensorShapes } from "../families/decoder-config.ts"
import { GRAPH_WEIGHTS, type GraphWeights } from "./graph-weights.ts"

/** Of model.onnx, whatever its model. */
export const MAX_GRAPH_BYTES = 20 * 1024 * 1024

const BYTES_PER_WEIGHT: Readonly<Record<GraphWeights, number>> = { f32: 4, bf16: 2, f16: 2, int8: 1 }

/** What is asked: a model, how its graph holds weights, and the longest row (prompt and response) in tokens. */
export interface EdgeUse {
  readonly config: DecoderConfig
  readonly weights: GraphWeights
  readonly longestRowTokens: number
}

/** The answer: `bytes` is the most memory that ONNX Runtime takes; `why` is a sentence for people, with the numbers. */
export interface EdgeFit {
  readonly fits: boolean
  readonly why: string
  readonly bytes: number
}

/** Whether the edge can compute this reference. */
export function edgeFit({ config, weights }: EdgeUse): EdgeFit {
  const bytes = weightBytes(config, weights)
  const fits = bytes <= MAX_GRAPH_BYTES
  const why = `the weights take ${bytes} bytes in ${weights}, and the edge takes ${MAX_GRAPH_BYTES}`
  return { fits, why, bytes }
}

/** How a graph of this model and this size holds its weights: the kind whose size is nearest. */
export function graphWeightsOf(config: DecoderConfig, graphBytes: number): GraphWeights {
  const distance = (kind: GraphWeights) => Math.abs(Math.log(graphBytes / weightBytes(config, kind)))
  return [...GRAPH_WEIGHTS].sort((a, b) => distance(a) - distance(b))[0]!
}

function weightBytes(config: DecoderConfig, weights: GraphWeights): number {
  let count = 0
  for (const shape of decoderTensorShapes(config).values()) count += shape.reduce((size, side) => size * side, 1)
  return count * BYTES_PER_WEIGHT[weights]
}
