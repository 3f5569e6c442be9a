// The gradient of one optimiser step. The loss needs the log-probs of the whole step before any response's scalar is known, so:
// a step of one micro-batch keeps its activations and is never computed twice; a step of several is scored first, and each
// micro-batch's forward pass is computed again right before its backward pass.
import { microBatches, packRows } from "#gpu-runner/data/pack-rows.ts"
import type { TokenRow } from "#gpu-runner/data/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { readback, uploaded } from "#gpu-runner/device/transfer.ts"
import { backwardDecoder, type DecoderPass, forwardDecoder } from "#gpu-runner/models/decoder.ts"
import type { Decoder } from "#gpu-runner/models/decoder-parameters.ts"
import { type PackedBatch, uploadBatch } from "#gpu-runner/models/packed-batch.ts"
import { sumOfSquares } from "#gpu-runner/ops/reduce.ts"
import { type RowScores, type ScoredBatch, scoreMicroBatch, splitScores } from "./score-rows.ts"
import type { BatchLoss } from "./step-loss.ts"

export interface StepGradient {
  readonly loss: BatchLoss
  /** Mean entropy over the step's scored tokens, nats. */
  readonly entropy: number
  readonly scoredTokens: number
}

export type LossOf = (rows: readonly TokenRow[], scores: readonly RowScores[]) => BatchLoss

/** Leaves the step's gradient in the model's bank, unless the loss is not finite: then the gradients are zero. */
export async function gradientStep(
  context: OpContext,
  model: Decoder,
  rows: readonly TokenRow[],
  tokenBudget: number,
  lossOf: LossOf,
): Promise<StepGradient> {
  const groups = microBatches(rows, tokenBudget)
  model.trained!.zeroGradients()
  return groups.length === 1 ? keptStep(context, model, rows, lossOf) : recomputedStep(context, model, groups, lossOf)
}

/** √Σg² over all trained parameters, as a sum of squares [1] on the device. */
export function gradientSumOfSquares(context: OpContext, model: Decoder): Tensor {
  return sumOfSquares(
    context,
    model.trained!.shards.map(({ gradient }) => gradient),
  )
}

async function keptStep(
  context: OpContext,
  model: Decoder,
  rows: readonly TokenRow[],
  lossOf: LossOf,
): Promise<StepGradient> {
  const scope = context.memory.openScope()
  try {
    const { packed, batch, pass } = openForward(context, model, rows)
    const [logProbs, entropies] = await readback(context, [pass.logProbs, pass.entropy])
    const scored = splitScores(rows, packed.scoredOffsets, logProbs!, entropies!)
    const loss = lossOf(rows, scored.scores)
    if (Number.isFinite(loss.loss)) backward(context, model, batch, pass, tokenWeights(rows, loss, 0))
    return summary(loss, [scored], logProbs!.length)
  } finally {
    scope.close()
  }
}

async function recomputedStep(
  context: OpContext,
  model: Decoder,
  groups: readonly (readonly TokenRow[])[],
  lossOf: LossOf,
): Promise<StepGradient> {
  const scored: ScoredBatch[] = []
  for (const group of groups) scored.push(await scoreMicroBatch(context, model, group))
  const rows = groups.flat()
  const scores = scored.flatMap((batch) => batch.scores)
  const loss = lossOf(rows, scores)
  let firstRow = 0
  for (const group of Number.isFinite(loss.loss) ? groups : []) {
    context.memory.withScope(() => {
      const { batch, pass } = openForward(context, model, group)
      backward(context, model, batch, pass, tokenWeights(group, loss, firstRow))
      return undefined
    })
    firstRow += group.length
  }
  const tokens = scores.reduce((sum, { chosen, rejected }) => sum + chosen.length + rejected.length, 0)
  return summary(loss, scored, tokens)
}

function openForward(context: OpContext, model: Decoder, rows: readonly TokenRow[]) {
  const packed = packRows(rows)
  const batch = uploadBatch(context, model, packed, { backward: true })
  return { packed, batch, pass: forwardDecoder(context, model, batch) }
}

function backward(
  context: OpContext,
  model: Decoder,
  batch: PackedBatch,
  pass: DecoderPass,
  weights: Float32Array,
): void {
  backwardDecoder(context, model, batch, pass, uploaded(context, weights, [weights.length], "step.token_weights"))
}

/** One scalar a scored token, the response's own, rounded to f32 last. */
function tokenWeights(rows: readonly TokenRow[], loss: BatchLoss, firstRow: number): Float32Array {
  const weights: number[] = []
  rows.forEach(({ chosenIds, rejectedIds }, index) => {
    for (let i = 0; i < chosenIds.length; i++) weights.push(loss.chosenTokenWeights[firstRow + index]!)
    for (let i = 0; i < rejectedIds.length; i++) weights.push(loss.rejectedTokenWeights[firstRow + index]!)
  })
  return Float32Array.from(weights)
}

function summary(loss: BatchLoss, scored: readonly ScoredBatch[], scoredTokens: number): StepGradient {
  return { loss, entropy: scored.reduce((sum, { entropySum }) => sum + entropySum, 0) / scoredTokens, scoredTokens }
}
