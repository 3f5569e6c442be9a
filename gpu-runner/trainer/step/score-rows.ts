// Log-probs of rows under a model as it stands: for references, evaluation and `yohaku score`.
import { drawnMicroBatches } from "#gpu-runner/data/rows/micro-batches.ts"
import type { Rows, TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { readback } from "#gpu-runner/device/transfer.ts"
import { type DecoderScores, hiddenDecoder, scoreHidden } from "#gpu-runner/models/decoder.ts"
import type { Decoder } from "#gpu-runner/models/decoder-parameters.ts"
import { uploadBatch } from "#gpu-runner/models/laid-out-batch.ts"
import { layOutRows } from "#gpu-runner/models/laid-out-rows.ts"
import { divergenceOf } from "./divergence-pass.ts"

/** Per-token log-probs of a row, nats. */
export interface RowScores {
  readonly chosen: Float32Array
  readonly rejected: Float32Array
  /** What single methods read of the distributions that predict the tokens, where they were asked for. */
  readonly distributions?: { readonly chosen: DistributionScores; readonly rejected: DistributionScores } | undefined
}

/** One number per scored token, nats. */
export interface DistributionScores {
  /** log Σ_v p_v² (WPO). */
  readonly collisions?: Float32Array | undefined
  /** KL(reference ‖ policy) (TDPO). */
  readonly divergences?: Float32Array | undefined
}

/** What a loss reads of the distributions, besides the log-probs of the tokens. */
export interface DistributionReads {
  /** Collisions (WPO). */
  readonly collisions?: boolean | undefined
  /** Divergences from this model (TDPO). */
  readonly reference?: Decoder | undefined
}

export interface ScoredBatch {
  readonly scores: readonly RowScores[]
  /** Sum over the tokens of the rows' own responses (not of KTO's mismatched ones), nats. */
  readonly entropySum: number
  readonly entropyTokens: number
}

export interface ScoreOptions {
  readonly tokenBudget: number
  readonly reads?: DistributionReads | undefined
  readonly signal?: AbortSignal | undefined
  /** Called after every micro-batch. */
  readonly onScored?: ((rows: number) => void) | undefined
  /** Called with the scores of every micro-batch, before `onScored`. */
  readonly onBatch?: ((scores: readonly RowScores[]) => void) | undefined
}

/** Rows that were scored together. */
export interface ScoredRows {
  readonly rows: readonly TokenRow[]
  readonly scores: readonly RowScores[]
}

/** Scores rows in order, micro-batch by micro-batch. Throws the signal's reason when it is aborted. */
export async function scoreRows(
  context: OpContext,
  model: Decoder,
  rows: Rows,
  options: ScoreOptions,
): Promise<RowScores[]> {
  const scores: RowScores[] = []
  for await (const group of scoredGroups(context, model, rows, options)) scores.push(...group.scores)
  return scores
}

/** As scoreRows, micro-batch by micro-batch: only the rows of one are in memory. */
export async function* scoredGroups(
  context: OpContext,
  model: Decoder,
  rows: Rows,
  options: ScoreOptions,
): AsyncGenerator<ScoredRows> {
  let scored = 0
  for (const group of drawnMicroBatches(rows, options.tokenBudget)) {
    options.signal?.throwIfAborted()
    const { scores } = await scoreMicroBatch(context, model, group, options.reads)
    scored += scores.length
    options.onBatch?.(scores)
    options.onScored?.(scored)
    yield { rows: group, scores }
  }
}

/** Scores one micro-batch. */
export async function scoreMicroBatch(
  context: OpContext,
  model: Decoder,
  rows: readonly TokenRow[],
  reads: DistributionReads = {},
): Promise<ScoredBatch> {
  const scope = context.memory.openScope()
  try {
    const { laidOut, scores, divergence } = scoringPass(context, model, rows, reads)
    return await readScores(context, rows, laidOut.scoredOffsets, scores, reads, divergence)
  } finally {
    scope.close()
  }
}

/** What scoring computes of a micro-batch, in the open scope. */
function scoringPass(context: OpContext, model: Decoder, rows: readonly TokenRow[], { reference }: DistributionReads) {
  const laidOut = layOutRows(rows)
  const batch = uploadBatch(context, model, laidOut, { backward: false })
  const hidden = context.recorder.withinPhase("forward", () => hiddenDecoder(context, model, batch))
  const scores = context.recorder.withinPhase("head", () => scoreHidden(context, model, batch, hidden))
  const divergence = reference && divergenceOf(context, model, reference, batch, hidden)
  return { laidOut, scores, divergence }
}

/** Reads the scores of a micro-batch back, row by row; [R] tensors whose rows `scoredOffsets` cuts. */
export async function readScores(
  context: OpContext,
  rows: readonly TokenRow[],
  scoredOffsets: Uint32Array,
  { logProbs, entropy, collision }: DecoderScores,
  { collisions }: DistributionReads,
  divergence: Tensor | undefined,
): Promise<ScoredBatch> {
  const asked = [logProbs, entropy, ...(collisions ? [collision] : []), ...(divergence ? [divergence] : [])]
  const [values, entropies, ...more] = await readback(context, asked)
  const ofCollision = collisions ? more[0] : undefined
  const ofDivergence = divergence ? more.at(-1) : undefined
  let entropySum = 0
  let entropyTokens = 0
  const scores = rows.map((row, index): RowScores => {
    const [start, end] = [scoredOffsets[index]!, scoredOffsets[index + 1]!]
    const middle = start + row.chosenIds.length
    for (const value of entropies!.subarray(start, row.label === undefined ? end : middle)) {
      entropySum += value
      entropyTokens++
    }
    const side = (from: number, to: number): DistributionScores => ({
      collisions: ofCollision?.subarray(from, to),
      divergences: ofDivergence?.subarray(from, to),
    })
    return {
      chosen: values!.subarray(start, middle),
      rejected: values!.subarray(middle, end),
      ...(more.length === 0 ? {} : { distributions: { chosen: side(start, middle), rejected: side(middle, end) } }),
    }
  })
  return { scores, entropySum, entropyTokens }
}
