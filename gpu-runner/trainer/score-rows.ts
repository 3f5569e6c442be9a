// Log-probs of rows under a model as it stands: for references, evaluation and `yohaku score`.
import { microBatches, packRows } from "#gpu-runner/data/pack-rows.ts"
import type { TokenRow } from "#gpu-runner/data/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { readback } from "#gpu-runner/device/transfer.ts"
import { scoreDecoder } from "#gpu-runner/models/decoder.ts"
import type { Decoder } from "#gpu-runner/models/decoder-parameters.ts"
import { uploadBatch } from "#gpu-runner/models/packed-batch.ts"

/** Per-token log-probs of a row, nats. */
export interface RowScores {
  readonly chosen: Float32Array
  readonly rejected: Float32Array
}

export interface ScoredBatch {
  readonly scores: readonly RowScores[]
  /** Mean over all scored tokens, nats. */
  readonly entropySum: number
}

export interface ScoreOptions {
  readonly tokenBudget: number
  readonly signal?: AbortSignal | undefined
  /** Called after every micro-batch. */
  readonly onScored?: ((rows: number) => void) | undefined
}

/** Scores rows in order, micro-batch by micro-batch. Throws the signal's reason when it is aborted. */
export async function scoreRows(
  context: OpContext,
  model: Decoder,
  rows: readonly TokenRow[],
  options: ScoreOptions,
): Promise<RowScores[]> {
  const scores: RowScores[] = []
  for (const group of microBatches(rows, options.tokenBudget)) {
    options.signal?.throwIfAborted()
    scores.push(...(await scoreMicroBatch(context, model, group)).scores)
    options.onScored?.(scores.length)
  }
  return scores
}

/** Scores one micro-batch. */
export async function scoreMicroBatch(
  context: OpContext,
  model: Decoder,
  rows: readonly TokenRow[],
): Promise<ScoredBatch> {
  const packed = packRows(rows)
  const scope = context.memory.openScope()
  try {
    const batch = uploadBatch(context, model, packed, { backward: false })
    const { logProbs, entropy } = scoreDecoder(context, model, batch)
    const [values, entropies] = await readback(context, [logProbs, entropy])
    return splitScores(rows, packed.scoredOffsets, values!, entropies!)
  } finally {
    scope.close()
  }
}

/** The scored tokens of a micro-batch, row by row. */
export function splitScores(
  rows: readonly TokenRow[],
  scoredOffsets: Uint32Array,
  logProbs: Float32Array,
  entropies: Float32Array,
): ScoredBatch {
  const scores = rows.map((row, index) => {
    const start = scoredOffsets[index]!
    const middle = start + row.chosenIds.length
    return { chosen: logProbs.subarray(start, middle), rejected: logProbs.subarray(middle, scoredOffsets[index + 1]) }
  })
  return { scores, entropySum: entropies.reduce((sum, value) => sum + value, 0) }
}
