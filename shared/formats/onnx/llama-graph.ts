// The ONNX graph of a Llama decoder with a log-prob head, from primitives of operator set 17.
// One sequence, no batch axis: activations are [T, C]. Linear weights stay [out, in] as in safetensors (Gemm, transB).
// Shape letters: T tokens, C channels, K key-value heads, G query heads per key-value head, D head size, N response tokens, V vocabulary.
import { type DecoderConfig, layerPath } from "../families/decoder-config.ts"
import { GraphBuilder, ONNX_DTYPE } from "./graph-builder.ts"

/** Version of the default operator set that the graph is written in. */
export const OPERATOR_SET_VERSION = 17

/** Rows whose logits are alive at a time: at most HEAD_CHUNK_ROWS × V floats. */
export const HEAD_CHUNK_ROWS = 16

// Finite, as everywhere in this project: a softmax over it gives exact zeros in f32.
const MASKED_SCORE = -1e30

/** Reads a weight by its Hugging Face name as f32, row-major. */
export type ReadWeight = (name: string) => Float32Array

interface Decoder {
  readonly graph: GraphBuilder
  readonly config: DecoderConfig
  /** adds a weight to the graph and gives its name */
  readonly weight: (name: string, shape: readonly number[]) => string
}

interface Positions {
  /** [T, D/2] f32 */
  readonly cosine: string
  readonly sine: string
  /** [T, T] bool, true where a query may look */
  readonly isVisible: string
}

/** Builds the graph; names of inputs and output are the caller's. */
export function llamaGraph(
  config: DecoderConfig,
  readWeight: ReadWeight,
  names: { readonly inputIds: string; readonly responseStart: string; readonly output: string },
): GraphBuilder {
  const graph = new GraphBuilder("llama")
  const weight = (name: string, shape: readonly number[]) =>
    graph.hasConstant(name) ? name : graph.constant(name, readWeight(name), shape)
  const decoder: Decoder = { graph, config, weight }
  const inputIds = graph.input(names.inputIds, ONNX_DTYPE.INT64, ["T"])
  const responseStart = graph.input(names.responseStart, ONNX_DTYPE.INT64, [1])
  graph.output(names.output, ONNX_DTYPE.FLOAT, ["N"])
  const length = graph.node("Shape", [inputIds])
  const positions = positionTables(decoder, length)
  let rows = graph.node("Gather", [embeddings(decoder), inputIds])
  for (let layer = 0; layer < config.layerCount; layer++) {
    rows = graph.node("Add", [rows, attention(decoder, layer, rows, positions)])
    rows = graph.node("Add", [rows, feedForward(decoder, layer, rows)])
  }
  logProbHead(decoder, { rows, inputIds, responseStart, length, output: names.output })
  return graph
}

function embeddings({ config, weight }: Decoder): string {
  return weight("model.embed_tokens.weight", [config.vocabularySize, config.hiddenSize])
}

/** Angles are position · theta^(-2d/D), taken in f64 and reduced to one turn before f32 cosine and sine, so that late positions keep their digits. */
function positionTables({ graph, config }: Decoder, length: string): Positions {
  const half = config.headSize / 2
  const ropeTheta = config.layers[0]!.rope.theta
  const frequencies = Float64Array.from({ length: half }, (_, d) => ropeTheta ** (-d / half))
  const scalar = (name: string, value: number) => graph.constant(name, BigInt64Array.of(BigInt(value)), [])
  const count = graph.node("Squeeze", [length])
  const positions = graph.node("Range", [scalar("zero", 0), count, scalar("one", 1)])
  const asColumn = graph.node("Unsqueeze", [positions, graph.integers(1)])
  const asRow = graph.node("Unsqueeze", [positions, graph.integers(0)])
  const exact = graph.node("Cast", [asColumn], { to: ONNX_DTYPE.DOUBLE })
  const angles = graph.node("Mul", [exact, graph.constant("rope_frequencies", frequencies, [1, half])])
  const turn = graph.constant("full_turn", Float64Array.of(2 * Math.PI), [])
  const reduced = graph.node("Cast", [graph.node("Mod", [angles, turn], { fmod: 1 })], { to: ONNX_DTYPE.FLOAT })
  return {
    cosine: graph.node("Cos", [reduced]),
    sine: graph.node("Sin", [reduced]),
    isVisible: graph.node("LessOrEqual", [asRow, asColumn]),
  }
}

/** x / √(mean(x²) + ε) · w over the last axis. */
function rmsNorm({ graph, config, weight }: Decoder, name: string, rows: string): string {
  const meanSquare = graph.node("ReduceMean", [graph.node("Mul", [rows, rows])], { axes: [-1], keepdims: 1 })
  const epsilon = graph.constant("rms_norm_epsilon", Float32Array.of(config.rmsNormEpsilon), [])
  const root = graph.node("Sqrt", [graph.node("Add", [meanSquare, epsilon])])
  return graph.node("Mul", [graph.node("Div", [rows, root]), weight(name, [config.hiddenSize])])
}

/** [T, in] · Wᵀ with W [out, in]. */
function linear({ graph, weight }: Decoder, name: string, rows: string, shape: readonly [number, number]): string {
  return graph.node("Gemm", [rows, weight(name, shape)], { transB: 1 })
}

/** Causal grouped-query attention. Keys and values carry a group axis of 1, over which MatMul broadcasts: nothing is repeated in memory. */
function attention(decoder: Decoder, layer: number, rows: string, positions: Positions): string {
  const { graph, config } = decoder
  const { hiddenSize, keyValueHeadCount, headSize } = config
  const groupSize = config.headCount / keyValueHeadCount
  const path = `${layerPath(layer)}.self_attn`
  const normed = rmsNorm(decoder, `${layerPath(layer)}.input_layernorm.weight`, rows)
  const heads = (projection: string, groups: number) => {
    const width = keyValueHeadCount * groups * headSize
    const flat = linear(decoder, `${path}.${projection}.weight`, normed, [width, hiddenSize])
    const split = graph.node("Reshape", [flat, graph.integers(-1, keyValueHeadCount, groups, headSize)])
    return graph.node("Transpose", [split], { perm: [1, 2, 0, 3] })
  }
  const scale = graph.constant("attention_scale", Float32Array.of(1 / Math.sqrt(headSize)), [])
  const query = graph.node("Mul", [rotate(graph, heads("q_proj", groupSize), positions), scale])
  const key = graph.node("Transpose", [rotate(graph, heads("k_proj", 1), positions)], { perm: [0, 1, 3, 2] })
  const scores = graph.node("MatMul", [query, key])
  const masked = graph.node("Where", [
    positions.isVisible,
    scores,
    graph.constant("masked_score", Float32Array.of(MASKED_SCORE), []),
  ])
  const mixed = graph.node("MatMul", [graph.node("Softmax", [masked], { axis: -1 }), heads("v_proj", 1)])
  const inOrder = graph.node("Transpose", [mixed], { perm: [2, 0, 1, 3] })
  const width = config.headCount * headSize
  const flat = graph.node("Reshape", [inOrder, graph.integers(-1, width)])
  return linear(decoder, `${path}.o_proj.weight`, flat, [hiddenSize, width])
}

/** Half-rotation RoPE on [K, G, T, D]: (x, y) → (x·cos − y·sin, y·cos + x·sin), x and y the two halves of D. */
function rotate(graph: GraphBuilder, heads: string, { cosine, sine }: Positions): string {
  const [x, y] = graph.nodes("Split", [heads], { axis: -1 }, 2) as [string, string]
  const first = graph.node("Sub", [graph.node("Mul", [x, cosine]), graph.node("Mul", [y, sine])])
  const second = graph.node("Add", [graph.node("Mul", [y, cosine]), graph.node("Mul", [x, sine])])
  return graph.node("Concat", [first, second], { axis: -1 })
}

/** down(silu(gate(x)) · up(x)). */
function feedForward(decoder: Decoder, layer: number, rows: string): string {
  const { graph, config } = decoder
  const { hiddenSize, intermediateSize } = config
  const path = `${layerPath(layer)}.mlp`
  const normed = rmsNorm(decoder, `${layerPath(layer)}.post_attention_layernorm.weight`, rows)
  const gate = linear(decoder, `${path}.gate_proj.weight`, normed, [intermediateSize, hiddenSize])
  const up = linear(decoder, `${path}.up_proj.weight`, normed, [intermediateSize, hiddenSize])
  const silu = graph.node("Mul", [gate, graph.node("Sigmoid", [gate])])
  return linear(decoder, `${path}.down_proj.weight`, graph.node("Mul", [silu, up]), [hiddenSize, intermediateSize])
}

interface HeadInputs {
  readonly rows: string
  readonly inputIds: string
  readonly responseStart: string
  readonly length: string
  readonly output: string
}

/** Row t−1 predicts token t: rows start−1 … T−2 give the N response tokens' logit − logsumexp(logits). */
function logProbHead(decoder: Decoder, { rows, inputIds, responseStart, length, output }: HeadInputs): void {
  const { graph, config, weight } = decoder
  const one = graph.integers(1)
  const axis = graph.integers(0)
  const head = config.tieWordEmbeddings
    ? embeddings(decoder)
    : weight("lm_head.weight", [config.vocabularySize, config.hiddenSize])
  const firstRow = graph.node("Sub", [responseStart, one])
  const pastLastRow = graph.node("Sub", [length, one])
  const predicting = graph.node("Slice", [rows, firstRow, pastLastRow, axis])
  const hidden = rmsNorm(decoder, "model.norm.weight", predicting)
  const targets = graph.node("Slice", [inputIds, responseStart, length, axis])
  const products = graph.node("Mul", [hidden, graph.node("Gather", [head, targets])])
  const targetLogits = graph.node("ReduceSum", [products, graph.integers(-1)], { keepdims: 0 })
  const count = graph.node("Sub", [length, responseStart])
  const normalisers = chunkedLogSumExp(decoder, head, hidden, count)
  graph.node("Sub", [targetLogits, normalisers], {}, output)
}

/** logsumexp over V of [N, C] · headᵀ, HEAD_CHUNK_ROWS rows at a time; the last chunk is padded with zero rows, whose results are cut off. */
function chunkedLogSumExp({ graph, config }: Decoder, head: string, hidden: string, count: string): string {
  const chunkRows = graph.integers(HEAD_CHUNK_ROWS)
  const remainder = graph.node("Mod", [count, chunkRows])
  const padding = graph.node("Mod", [graph.node("Sub", [chunkRows, remainder]), chunkRows])
  const pads = graph.node("Concat", [graph.integers(0, 0), padding, graph.integers(0)], { axis: 0 })
  const padded = graph.node("Pad", [hidden, pads])
  const chunks = graph.node("Reshape", [padded, graph.integers(-1, HEAD_CHUNK_ROWS, config.hiddenSize)])
  const body = new GraphBuilder("head_chunk")
  const chunk = body.input("head_chunk/rows", ONNX_DTYPE.FLOAT, [HEAD_CHUNK_ROWS, config.hiddenSize])
  const logits = body.node("Gemm", [chunk, head], { transB: 1 })
  const result = body.node("ReduceLogSumExp", [logits], { axes: [-1], keepdims: 0 })
  body.output(result, ONNX_DTYPE.FLOAT, [HEAD_CHUNK_ROWS])
  const perChunk = graph.node("Scan", [chunks], { body, num_scan_inputs: 1 })
  const flat = graph.node("Reshape", [perChunk, graph.integers(-1)])
  return graph.node("Slice", [flat, graph.integers(0), count])
}
