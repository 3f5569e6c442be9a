// One micro-batch of a step: its forward pass with all that its backward pass needs, and the backward pass from derivatives by rows.

import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { uploaded } from "#gpu-runner/device/transfer.ts"
import { backwardDecoder, type DecoderPass, forwardDecoder } from "#gpu-runner/models/decoder.ts"
import type { Decoder } from "#gpu-runner/models/decoder-parameters.ts"
import { type LaidOutBatch, uploadBatch } from "#gpu-runner/models/laid-out-batch.ts"
import { layOutRows } from "#gpu-runner/models/laid-out-rows.ts"
import { type ResponseGradient, tokenGradient } from "#shared/methods/pair-log-probs.ts"
import { type DivergencePass, forwardDivergence } from "./divergence-pass.ts"
import { type DistributionReads, readScores, type ScoredBatch } from "./score-rows.ts"

/** Everything that a micro-batch's backward pass needs, in the open scope. */
export interface MicroBatch {
  readonly rows: readonly TokenRow[]
  readonly batch: LaidOutBatch
  readonly scoredOffsets: Uint32Array
  readonly pass: DecoderPass
  readonly divergence: DivergencePass | undefined
}

export interface MicroBatchOptions {
  readonly reads?: DistributionReads | undefined
  readonly checkpointing?: boolean | undefined
  /** The rows will keep gradients of their own. */
  readonly rowGradients?: boolean | undefined
}

/** Runs the forward pass in the open scope. */
export function forwardRows(
  context: OpContext,
  model: Decoder,
  rows: readonly TokenRow[],
  { reads = {}, checkpointing, rowGradients }: MicroBatchOptions,
): MicroBatch {
  const { reference } = reads
  const laidOut = layOutRows(rows)
  const batch = uploadBatch(context, model, laidOut, { backward: true, rowGradients })
  const pass = context.recorder.withinPhase("forward", () => forwardDecoder(context, model, batch, { checkpointing }))
  const divergence = reference && forwardDivergence(context, model, reference, batch, pass.hidden)
  return { rows, batch, scoredOffsets: laidOut.scoredOffsets, pass, divergence }
}

/** The scores of the forward pass. */
export function scoresOf(context: OpContext, forward: MicroBatch, reads: DistributionReads = {}): Promise<ScoredBatch> {
  const { rows, scoredOffsets, pass, divergence } = forward
  return readScores(context, rows, scoredOffsets, pass, reads, divergence?.divergence)
}

/** A loss's derivatives by both responses of a row. */
export interface RowDerivatives {
  readonly chosen: ResponseGradient
  readonly rejected: ResponseGradient
}

/** Adds `scale` times the gradient that follows from each row's derivatives. */
export function backwardRows(
  context: OpContext,
  model: Decoder,
  { rows, batch, pass, divergence }: MicroBatch,
  derivatives: readonly RowDerivatives[],
  scale = 1,
): void {
  const upload = (of: (gradient: ResponseGradient, token: number) => number, label: string) => {
    const values = byToken(rows, derivatives, (gradient, token) => scale * of(gradient, token))
    return uploaded(context, values, [values.length], label)
  }
  const dLogProbs = upload(tokenGradient, "step.token_weights")
  const dHidden = divergence?.backward(upload(({ perDivergence }) => perDivergence ?? 0, "step.divergence_weights"))
  context.recorder.withinPhase("backward", () => backwardDecoder(context, model, batch, pass, dLogProbs, dHidden))
}

/** One number for every scored token, row by row, chosen before rejected; rounded to f32 last. */
function byToken(
  rows: readonly TokenRow[],
  derivatives: readonly RowDerivatives[],
  of: (gradient: ResponseGradient, token: number) => number,
): Float32Array {
  const values: number[] = []
  rows.forEach(({ chosenIds, rejectedIds }, index) => {
    const { chosen, rejected } = derivatives[index]!
    for (let i = 0; i < chosenIds.length; i++) values.push(of(chosen, i))
    for (let i = 0; i < rejectedIds.length; i++) values.push(of(rejected, i))
  })
  return Float32Array.from(values)
}
