// Causal grouped-query attention in the graph, a block of queries at a time: what grows with the square of a row's length is alive for
// QUERY_BLOCK_ROWS queries only. Shape letters: T tokens, K key-value heads, G query heads each, D head size, Q queries of a block.
import { layerPath } from "../families/decoder-config.ts"
import { GraphBuilder, ONNX_DTYPE } from "./graph-builder.ts"
import { type DecoderGraph, type Rotation, rmsNorm, scaledBy, softCapped } from "./graph-parts.ts"

/** Queries whose scores are alive at a time: H × QUERY_BLOCK_ROWS × T floats. */
export const QUERY_BLOCK_ROWS = 64

// Finite, as everywhere in this project: a softmax over it gives exact zeros in f32.
const MASKED_SCORE = -1e30

/** How T rows are cut into blocks, the last one filled up with rows whose results are cut off again. */
export interface QueryBlocks {
  /** int64 [T, up to a multiple of Q] as blocks [n, Q] */
  readonly positions: string
  /** int64 [1, T] */
  readonly keyPositions: string
  /** int64 [1]: how many rows are missing in the last block */
  readonly padding: string
  /** int64 [1]: T */
  readonly length: string
}

export function queryBlocks(graph: GraphBuilder, length: string): QueryBlocks {
  const block = graph.integers(QUERY_BLOCK_ROWS)
  const padding = graph.node("Mod", [graph.node("Sub", [block, graph.node("Mod", [length, block])]), block])
  const scalar = (name: string, value: number) => graph.constant(name, BigInt64Array.of(BigInt(value)), [])
  const range = (count: string) =>
    graph.node("Range", [scalar("zero", 0), graph.node("Squeeze", [count]), scalar("one", 1)])
  const positions = graph.node("Reshape", [
    range(graph.node("Add", [length, padding])),
    graph.integers(-1, QUERY_BLOCK_ROWS),
  ])
  return { positions, keyPositions: graph.node("Unsqueeze", [range(length), graph.integers(0)]), padding, length }
}

interface AttentionInputs {
  readonly layer: number
  /** [T, C], normed */
  readonly rows: string
  readonly blocks: QueryBlocks
  readonly rotation: Rotation
}

/** What attention adds to the rows, [T, C]. */
export function attendedRows(decoder: DecoderGraph, { layer, rows, blocks, rotation }: AttentionInputs): string {
  const { graph, config, weights } = decoder
  const { headCount, keyValueHeadCount, headSize } = config
  const path = `${layerPath(layer)}.self_attn`
  const heads = (letter: "q" | "k" | "v", count: number) =>
    graph.node("Reshape", [weights.linear(rows, `${path}.${letter}_proj`), graph.integers(-1, count, headSize)])
  const placed = (letter: "q" | "k", count: number) => {
    const plain = heads(letter, count)
    const normed = config.queryKeyNorm ? rmsNorm(decoder, `${path}.${letter}_norm.weight`, plain) : plain
    return rotated(graph, normed, rotation)
  }
  const query = scaledBy(graph, placed("q", headCount), config.attentionScale)
  const groupAxis = graph.integers(1)
  const turn = (values: string, perm: number[]) =>
    graph.node("Unsqueeze", [graph.node("Transpose", [values], { perm }), groupAxis])
  const mixed = mixedValues(decoder, {
    ...{ layer, blocks },
    queries: inBlocks(decoder, query, blocks),
    keys: turn(placed("k", keyValueHeadCount), [1, 2, 0]),
    values: turn(heads("v", keyValueHeadCount), [1, 0, 2]),
  })
  return weights.linear(mixed, `${path}.o_proj`)
}

/** [T, H, D] → [n, Q, K, G, D]. */
function inBlocks({ graph, config }: DecoderGraph, query: string, { padding }: QueryBlocks): string {
  const { headCount, keyValueHeadCount, headSize } = config
  const none = graph.integers(0, 0, 0)
  const pads = graph.node("Concat", [none, padding, graph.integers(0, 0)], { axis: 0 })
  const groups = headCount / keyValueHeadCount
  const shape = graph.integers(-1, QUERY_BLOCK_ROWS, keyValueHeadCount, groups, headSize)
  return graph.node("Reshape", [graph.node("Pad", [query, pads]), shape])
}

interface Projected {
  readonly layer: number
  readonly blocks: QueryBlocks
  /** [n, Q, K, G, D] */
  readonly queries: string
  /** [K, 1, D, T]: over the group axis of 1 MatMul broadcasts, so that nothing is repeated in memory */
  readonly keys: string
  /** [K, 1, T, D] */
  readonly values: string
}

/** Softmax over what each query may see, block after block: [T, H·D]. */
function mixedValues(decoder: DecoderGraph, { layer, blocks, queries, keys, values }: Projected): string {
  const { graph, config } = decoder
  const { headCount, keyValueHeadCount, headSize } = config
  const width = headCount * headSize
  const body = new GraphBuilder(`attention_${layer}`)
  const shape = [QUERY_BLOCK_ROWS, keyValueHeadCount, headCount / keyValueHeadCount, headSize]
  const block = body.input(`${body.name}/queries`, ONNX_DTYPE.FLOAT, shape)
  const positions = body.input(`${body.name}/positions`, ONNX_DTYPE.INT64, [QUERY_BLOCK_ROWS])
  const products = body.node("MatMul", [body.node("Transpose", [block], { perm: [1, 2, 0, 3] }), keys])
  const scores = softCapped(graph, body, products, config.attentionSoftCap)
  const masked = graph.constant("masked_score", Float32Array.of(MASKED_SCORE), [])
  const visible = visibleKeys(decoder, body, positions, { layer, blocks })
  const shares = body.node("Softmax", [body.node("Where", [visible, scores, masked])], { axis: -1 })
  const mixed = body.node("Transpose", [body.node("MatMul", [shares, values])], { perm: [2, 0, 1, 3] })
  const flat = body.node("Reshape", [mixed, graph.integers(QUERY_BLOCK_ROWS, width)])
  body.output(flat, ONNX_DTYPE.FLOAT, [QUERY_BLOCK_ROWS, width])
  const perBlock = graph.node("Scan", [queries, blocks.positions], { body, num_scan_inputs: 2 })
  const all = graph.node("Reshape", [perBlock, graph.integers(-1, width)])
  return graph.node("Slice", [all, graph.integers(0), blocks.length, graph.integers(0)])
}

/** Bool [Q, T]: keys at most at the query's position, and in its window where the layer has one. */
function visibleKeys(
  { graph, config }: DecoderGraph,
  body: GraphBuilder,
  positions: string,
  { layer, blocks }: Pick<Projected, "layer" | "blocks">,
): string {
  const { window } = config.layers[layer]!
  const column = body.node("Unsqueeze", [positions, graph.integers(1)])
  const past = body.node("LessOrEqual", [blocks.keyPositions, column])
  if (window === undefined) return past
  const before = body.node("Sub", [column, graph.integers(window)])
  return body.node("And", [past, body.node("Greater", [blocks.keyPositions, before])])
}

/** Half-rotation RoPE on [T, heads, D]: (x, y) → (x·cos − y·sin, y·cos + x·sin), x and y the two halves of D. */
function rotated(graph: GraphBuilder, heads: string, { cosine, sine }: Rotation): string {
  const [x, y] = graph.nodes("Split", [heads], { axis: -1, num_outputs: 2 }, 2) as [string, string]
  const first = graph.node("Sub", [graph.node("Mul", [x, cosine]), graph.node("Mul", [y, sine])])
  const second = graph.node("Add", [graph.node("Mul", [y, cosine]), graph.node("Mul", [x, sine])])
  return graph.node("Concat", [first, second], { axis: -1 })
}
