// The head in the graph: log-probs of the response's tokens, a range of the vocabulary at a time, so that neither [N, V] logits nor the
// head's matrix in f32 is ever whole. Shape letters: T tokens, C channels, N response tokens, V vocabulary.
import { GraphBuilder, ONNX_DTYPE } from "./graph-builder.ts"
import { type DecoderGraph, rmsNorm, softCapped } from "./graph-parts.ts"

/** Entries of the vocabulary whose logits are alive at a time: at most N × VOCABULARY_CHUNK floats, beside as many rows of the head. */
export const VOCABULARY_CHUNK = 512

interface HeadInputs {
  /** [T, C], before the last norm */
  readonly rows: string
  readonly inputIds: string
  readonly responseStart: string
  readonly length: string
  readonly output: string
}

/** Row t−1 predicts token t: rows start−1 … T−2 give the N response tokens' logit − logsumexp(logits). */
export function responseLogProbs(decoder: DecoderGraph, inputs: HeadInputs): void {
  const { graph, config, weights } = decoder
  const { rows, inputIds, responseStart, length, output } = inputs
  const one = graph.integers(1)
  const axis = graph.integers(0)
  const head = config.tieWordEmbeddings ? "model.embed_tokens.weight" : "lm_head.weight"
  const firstRow = graph.node("Sub", [responseStart, one])
  const pastLastRow = graph.node("Sub", [length, one])
  const predicting = graph.node("Slice", [rows, firstRow, pastLastRow, axis])
  const hidden = rmsNorm(decoder, "model.norm.weight", predicting)
  const targets = graph.node("Slice", [inputIds, responseStart, length, axis])
  const products = graph.node("Mul", [hidden, weights.rowsAt(head, targets)])
  const dots = graph.node("ReduceSum", [products, graph.integers(-1)], { keepdims: 0 })
  const targetLogits = softCapped(graph, graph, dots, config.finalSoftCap)
  graph.node("Sub", [targetLogits, logSumExp(decoder, head, hidden)], {}, output)
}

/** logsumexp over V of [N, C] · headᵀ: of each range of the vocabulary, then of their results. */
function logSumExp({ graph, config, weights }: DecoderGraph, head: string, hidden: string): string {
  const { vocabularySize } = config
  const chunkCount = Math.ceil(vocabularySize / VOCABULARY_CHUNK)
  const firsts = BigInt64Array.from({ length: chunkCount }, (_, chunk) => BigInt(chunk * VOCABULARY_CHUNK))
  const body = new GraphBuilder("head_chunk")
  const first = body.input("head_chunk/first", ONNX_DTYPE.INT64, [1])
  const past = body.node("Add", [first, graph.integers(VOCABULARY_CHUNK)])
  const chunk = weights.rowRange(body, head, first, past)
  const logits = softCapped(graph, body, body.node("Gemm", [hidden, chunk], { transB: 1 }), config.finalSoftCap)
  const result = body.node("ReduceLogSumExp", [logits, graph.integers(-1)], { keepdims: 0 })
  body.output(result, ONNX_DTYPE.FLOAT, ["N"])
  const starts = graph.constant("vocabulary_chunks", firsts, [chunkCount, 1])
  const perChunk = graph.node("Scan", [starts], { body, num_scan_inputs: 1 })
  return graph.node("ReduceLogSumExp", [perChunk, graph.integers(0)], { keepdims: 0 })
}
