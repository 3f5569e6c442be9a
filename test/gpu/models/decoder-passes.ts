// Runs a model on rows and reads back what the tests compare.

import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { readback, uploaded } from "#gpu-runner/device/transfer.ts"
import { backwardDecoder, forwardDecoder, hiddenDecoder, scoreHidden } from "#gpu-runner/models/decoder.ts"
import type { Decoder } from "#gpu-runner/models/decoder-parameters.ts"
import { uploadBatch } from "#gpu-runner/models/laid-out-batch.ts"
import { layOutRows } from "#gpu-runner/models/laid-out-rows.ts"
import type { Array64 } from "#test/reference/array64.ts"

export interface PassResult {
  readonly logProbs: Float32Array
  readonly entropy: Float32Array
  /** [R, C] */
  readonly hidden: Float32Array
  readonly gradient: ReadonlyMap<string, Float32Array>
}

/** Log-probs and the gradients of Σ upstream · logProbs (+ Σ dHidden · hidden) by parameter name. */
export async function gradientsOf(
  context: OpContext,
  model: Decoder,
  rows: readonly TokenRow[],
  upstream: ArrayLike<number>,
  dHidden?: Array64,
): Promise<PassResult> {
  model.trained!.zeroGradients()
  const scope = context.memory.openScope()
  try {
    const batch = uploadBatch(context, model, layOutRows(rows), { backward: true })
    const pass = forwardDecoder(context, model, batch)
    const dLogProbs = uploaded(context, Float32Array.from(upstream), [upstream.length], "upstream")
    const more = dHidden && uploaded(context, Float32Array.from(dHidden.data), dHidden.shape, "dHidden")
    backwardDecoder(context, model, batch, pass, dLogProbs, more)
    const [logProbs, entropy, hidden] = await readback(context, [pass.logProbs, pass.entropy, pass.hidden])
    const { gradient } = await model.trained!.read("gradient")
    return { logProbs: logProbs!, entropy: entropy!, hidden: hidden!, gradient }
  } finally {
    scope.close()
  }
}

/** Log-probs of the scored tokens, in the order of the rows. */
export async function scoresOf(context: OpContext, model: Decoder, rows: readonly TokenRow[]): Promise<Float32Array> {
  const scope = context.memory.openScope()
  try {
    const batch = uploadBatch(context, model, layOutRows(rows), { backward: false })
    const scores = scoreHidden(context, model, batch, hiddenDecoder(context, model, batch))
    const [logProbs] = await readback(context, [scores.logProbs])
    return logProbs!
  } finally {
    scope.close()
  }
}
