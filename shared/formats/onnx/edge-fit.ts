// Whether the edge can compute a model's reference: the memory that ONNX Runtime's WASM build takes for its graph, foreseen from the model's
// sizes, never less than it is. Calibrated and held by test/shared/formats/onnx/edge-fit.test.ts; `npx node test/bench/edge-memory.ts` measures.
import { type DecoderConfig, decoderLinearShapes } from "../families/decoder-config.ts"
import { type BaseWeights, heldBytes } from "../weights/base-weights.ts"
import { QUERY_BLOCK_ROWS } from "./attention-graph.ts"
import { VOCABULARY_CHUNK } from "./head-graph.ts"

const MEBIBYTE = 2 ** 20

/** What the runtime's memory may grow to: 1536 pages of 64 KiB. An isolate has 128 MiB for everything. */
export const MAX_RUNTIME_BYTES = 96 * MEBIBYTE

/** Of model.onnx, whatever its model: while a session opens the file lies beside the runtime's memory in an isolate of 128 MiB. */
export const MAX_GRAPH_BYTES = 44 * MEBIBYTE

/** The memory grows by up to this factor more than was asked for. */
export const GROWTH = 1.2

const ISOLATE_BYTES = 128 * MEBIBYTE
/** For code, tokenizer and what the scorer works on. */
const RESERVED_BYTES = 16 * MEBIBYTE
/** The runtime itself: its data, its stack, and what its allocator keeps. */
const RUNTIME_BYTES = 12 * MEBIBYTE
/** Nodes and small tables of a graph, for each layer and once. */
const GRAPH_BYTES = 16 * 1024

/** What is asked: a model, how its graph holds weights, and the longest row (prompt and response) in tokens. */
export interface EdgeUse {
  readonly config: DecoderConfig
  readonly weights: BaseWeights
  readonly longestRowTokens: number
}

/** The answer: `bytes` is the most memory that ONNX Runtime asks for; `why` is a sentence for people, with the numbers. */
export interface EdgeFit {
  readonly fits: boolean
  readonly why: string
  readonly bytes: number
}

/** Whether the edge can compute this reference. */
export function edgeFit({ config, weights, longestRowTokens }: EdgeUse): EdgeFit {
  const file = graphBytes(config, weights)
  const opening = openingBytes(config, weights)
  const bytes = opening + rowBytes(config, longestRowTokens)
  const beside = file + GROWTH * opening + RESERVED_BYTES
  const held = `${mebibytes(file)} of ${weights} weights`
  const needs = `ONNX Runtime needs ${mebibytes(bytes)} for ${held} and rows of ${longestRowTokens} tokens`
  if (beside > ISOLATE_BYTES) {
    const why = `${held} take up to ${mebibytes(beside)} while they are opened, and an isolate has ${mebibytes(ISOLATE_BYTES)}`
    return { fits: false, why, bytes }
  }
  if (file > MAX_GRAPH_BYTES)
    return { fits: false, why: `${held} are more than the ${mebibytes(MAX_GRAPH_BYTES)} that are opened`, bytes }
  if (bytes > MAX_RUNTIME_BYTES) return { fits: false, why: `${needs}, and has ${mebibytes(MAX_RUNTIME_BYTES)}`, bytes }
  return { fits: true, why: `${needs}, of ${mebibytes(MAX_RUNTIME_BYTES)}`, bytes }
}

/** Size of model.onnx. */
export function graphBytes(config: DecoderConfig, weights: BaseWeights): number {
  return heldBytes(config, () => "F32", weights).total + (config.layerCount + 1) * GRAPH_BYTES
}

/** The weights, each once, and a matrix in f32 beside them: one that is packed while it opens, or widened while it runs. */
function openingBytes(config: DecoderConfig, weights: BaseWeights): number {
  const linears = [...decoderLinearShapes(config).values()].map(([out, inner]) => 4 * out * inner)
  return RUNTIME_BYTES + graphBytes(config, weights) + Math.max(...linears)
}

/** What is alive of a row at its widest moment: in attention, in the MLP or in the head, whichever takes most. */
function rowBytes(config: DecoderConfig, tokens: number): number {
  const { hiddenSize, intermediateSize, headCount, keyValueHeadCount, headSize } = config
  const [queries, keys] = [headCount * headSize, keyValueHeadCount * headSize]
  const padded = Math.ceil(tokens / QUERY_BLOCK_ROWS) * QUERY_BLOCK_ROWS
  const scores = 3 * headCount * QUERY_BLOCK_ROWS * padded
  const attention = padded * (2 * hiddenSize + 6 * queries + 4 * keys) + scores
  const mlp = padded * (3 * hiddenSize + 3 * intermediateSize)
  const head = padded * (4 * hiddenSize + 3 * VOCABULARY_CHUNK) + 2 * VOCABULARY_CHUNK * hiddenSize
  return 4 * Math.max(attention, mlp, head) + 20 * padded * headSize
}

function mebibytes(bytes: number): string {
  return `${(bytes / MEBIBYTE).toFixed(1)} MiB`
}
