// The gradient of one optimiser step. The loss needs the scores of the whole step before any response's derivative is known, so:
// a step of one micro-batch keeps its activations and is never computed twice; one of several is computed forward and backward at once
// where the gradient's direction is known before the loss (direct-step.ts); else it is scored first, and each micro-batch's forward pass
// is computed again right before its backward pass.
import { microBatches } from "#gpu-runner/data/rows/pack-rows.ts"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import type { Decoder } from "#gpu-runner/models/decoder-parameters.ts"
import { sumOfSquares } from "#gpu-runner/ops/reduce.ts"
import { canKeepRowGradients, directStep } from "./direct-step.ts"
import { backwardRows, forwardRows, type RowDerivatives, scoresOf } from "./micro-batch.ts"
import { type ScoredBatch, scoreMicroBatch } from "./score-rows.ts"
import type { StepInputs } from "./step-inputs.ts"
import type { BatchLoss } from "./step-loss.ts"

export type { LossOf, StepInputs } from "./step-inputs.ts"

export interface StepGradient {
  readonly loss: BatchLoss
  /** Mean entropy over the tokens of the rows' own responses, nats. */
  readonly entropy: number
  readonly scoredTokens: number
}

/** Leaves the step's gradient in the model's bank, unless the loss is not finite: then the gradients are zero. */
export async function gradientStep(context: OpContext, model: Decoder, inputs: StepInputs): Promise<StepGradient> {
  const groups = microBatches(inputs.rows, inputs.tokenBudget)
  model.trained!.zeroGradients()
  if (groups.length === 1) return keptStep(context, model, inputs)
  const { directions, rows } = inputs
  const isDirect = directions && (directions.isFinal || canKeepRowGradients(context, model, rows.length))
  const { loss, scored } = isDirect
    ? await directStep(context, model, inputs, directions, groups)
    : await recomputedStep(context, model, inputs, groups)
  return summary(loss, scored)
}

/** √Σg² over all trained parameters, as a sum of squares [1] on the device. */
export function gradientSumOfSquares(context: OpContext, model: Decoder): Tensor {
  return sumOfSquares(
    context,
    model.trained!.shards.map(({ gradient }) => gradient),
  )
}

async function keptStep(context: OpContext, model: Decoder, inputs: StepInputs): Promise<StepGradient> {
  const { rows, lossOf, reads } = inputs
  const scope = context.memory.openScope()
  try {
    const forward = forwardRows(context, model, rows, inputs)
    const scored = await scoresOf(context, forward, reads)
    const loss = lossOf(rows, scored.scores)
    if (Number.isFinite(loss.loss)) backwardRows(context, model, forward, derivativesOf(loss, 0, rows.length))
    return summary(loss, [scored])
  } finally {
    scope.close()
  }
}

async function recomputedStep(
  context: OpContext,
  model: Decoder,
  { lossOf, reads, checkpointing }: StepInputs,
  groups: readonly (readonly TokenRow[])[],
): Promise<{ readonly loss: BatchLoss; readonly scored: readonly ScoredBatch[] }> {
  const scored: ScoredBatch[] = []
  for (const group of groups) scored.push(await scoreMicroBatch(context, model, group, reads))
  const loss = lossOf(
    groups.flat(),
    scored.flatMap((batch) => batch.scores),
  )
  let firstRow = 0
  for (const group of Number.isFinite(loss.loss) ? groups : []) {
    const derivatives = derivativesOf(loss, firstRow, group.length)
    context.memory.withScope(() => {
      backwardRows(context, model, forwardRows(context, model, group, { reads, checkpointing }), derivatives)
      return undefined
    })
    firstRow += group.length
  }
  return { loss, scored }
}

/** Of the rows from `firstRow` on. */
function derivativesOf({ chosen, rejected }: BatchLoss, firstRow: number, rowCount: number): RowDerivatives[] {
  return Array.from({ length: rowCount }, (_, index) => ({
    chosen: chosen[firstRow + index]!,
    rejected: rejected[firstRow + index]!,
  }))
}

function summary(loss: BatchLoss, scored: readonly ScoredBatch[]): StepGradient {
  const total = (of: (batch: ScoredBatch) => number) => scored.reduce((sum, batch) => sum + of(batch), 0)
  const scoredTokens = total(({ entropyTokens }) => entropyTokens)
  return { loss, entropy: total(({ entropySum }) => entropySum) / scoredTokens, scoredTokens }
}
