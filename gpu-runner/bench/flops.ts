// Floating-point operations that a pass over laid-out rows needs, by arithmetic over sizes: a multiplication and an addition are two.
// Counted is the work of the best known order of computation, not what an implementation happens to do: prompts once, logits of
// response rows only, no gradient of frozen weights, attention over visible pairs of tokens alone. Elementwise work is left out.
import type { PairLengths } from "#gpu-runner/ops/attention/attention-layout.ts"
import { type DecoderConfig, decoderLinearShapes } from "#shared/formats/families/decoder-config.ts"

/** What a pass does beside the forward pass. */
export interface Pass {
  /** Nothing for log-probs alone. */
  readonly trains: "adapter" | "weights" | "nothing"
  /** Of the adapter on all seven linears; 0 without one. */
  readonly rank: number
  /** Activation checkpointing: the body's forward pass again. */
  readonly isRecomputed?: boolean
  /** The reference's log-probs are computed too, not read from a cache. */
  readonly scoresReference?: boolean
}

/** FLOPs by part; `total` is their sum. */
export interface Work {
  readonly body: number
  readonly adapter: number
  readonly attention: number
  readonly head: number
  readonly total: number
}

/** Weights of the seven linears of all layers. */
export function bodyWeights(config: DecoderConfig): number {
  const shapes = [...decoderLinearShapes(config).values()]
  return config.layerCount * shapes.reduce((sum, [out, width]) => sum + out * width, 0)
}

/** Parameters of an adapter on all seven linears of all layers. */
export function adapterWeights(config: DecoderConfig, rank: number): number {
  const shapes = [...decoderLinearShapes(config).values()]
  return config.layerCount * rank * shapes.reduce((sum, [out, width]) => sum + out + width, 0)
}

/** Query-key pairs that causal attention over a row sees: both responses see the prompt, and not each other. */
export function visiblePairs({ promptLength, chosenLength, rejectedLength }: PairLengths): number {
  const triangle = (length: number) => (length * (length + 1)) / 2
  const response = (length: number) => length * promptLength + triangle(length)
  return triangle(promptLength) + response(chosenLength) + response(rejectedLength)
}

/** FLOPs of attention's forward pass over all layers' heads: two products over the visible pairs. */
export function attentionForwardFlops(rows: readonly PairLengths[], queryColumns: number): number {
  return 4 * queryColumns * rows.reduce((sum, row) => sum + visiblePairs(row), 0)
}

/** The backward pass computes the scores again and has four more products: 2.5 times the forward pass. */
export const ATTENTION_BACKWARD_RATIO = 2.5

export function rowTokenCount(rows: readonly PairLengths[]): number {
  return rows.reduce((sum, row) => sum + row.promptLength + row.chosenLength + row.rejectedLength, 0)
}

/** Tokens that are scored: those of the responses. */
function responseTokenCount(rows: readonly PairLengths[]): number {
  return rows.reduce((sum, row) => sum + row.chosenLength + row.rejectedLength, 0)
}

/** FLOPs of one pass over the rows. */
export function passWork(config: DecoderConfig, rows: readonly PairLengths[], pass: Pass): Work {
  const tokens = rowTokenCount(rows)
  const { trains, isRecomputed = false, scoresReference = false } = pass
  const isTraining = trains !== "nothing"
  const bodyForward = 2 * bodyWeights(config) * tokens
  const adapterForward = 2 * adapterWeights(config, pass.rank) * tokens
  const columns = config.headCount * config.headSize * config.layerCount
  const attentionForward = attentionForwardFlops(rows, columns)
  const headForward = 2 * config.vocabularySize * config.hiddenSize * responseTokenCount(rows)

  // Forward, recomputed forward, the reference's forward; gradients by activations, and by weights where they are trained.
  const bodyPasses =
    1 + Number(isRecomputed) + Number(scoresReference) + Number(isTraining) + Number(trains === "weights")
  const adapterPasses = 1 + Number(isRecomputed) + (trains === "adapter" ? 2 : 0)
  const attentionPasses =
    1 + Number(isRecomputed) + Number(scoresReference) + (isTraining ? ATTENTION_BACKWARD_RATIO : 0)
  const headPasses = 1 + Number(scoresReference) + Number(isTraining) + Number(trains === "weights")
  const work = {
    body: bodyPasses * bodyForward,
    adapter: adapterPasses * adapterForward,
    attention: attentionPasses * attentionForward,
    head: headPasses * headForward,
  }
  return { ...work, total: work.body + work.adapter + work.attention + work.head }
}

/** The same pairs with each response behind a prompt of its own: two sequences a pair. */
export function unsharedRows(rows: readonly PairLengths[]): PairLengths[] {
  return rows.flatMap(({ promptLength, chosenLength, rejectedLength }) =>
    [chosenLength, rejectedLength].map((length) => ({ promptLength, chosenLength: length, rejectedLength: 0 })),
  )
}
