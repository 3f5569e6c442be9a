// The gradient of one optimiser step. The loss needs the scores of the whole step before any response's derivative is known, so:
// a step of one micro-batch keeps its activations and is never computed twice; one of several is computed forward and backward at once
// where the gradient's direction is known before the loss (direct-step.ts); else it is scored first, and each micro-batch's forward pass
// is computed again right before its backward pass.
import { microBatches } from "#gpu-runner/data/rows/micro-batches.ts"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import type { Decoder } from "#gpu-runner/models/decoder-parameters.ts"
import { sumOfSquares } from "#gpu-runner/ops/optimiser/reduce.ts"
import { type ComputedStep, canKeepRowGradients, directStep } from "./direct-step.ts"
import { gradientScale } from "./gradient-scale.ts"
import { backwardRows, forwardRows, type RowDerivatives, scoresOf } from "./micro-batch.ts"
import { type ScoredBatch, scoreMicroBatch } from "./score-rows.ts"
import type { StepInputs } from "./step-inputs.ts"
import type { BatchLoss } from "./step-loss.ts"

export interface StepGradient {
  readonly loss: BatchLoss
  /** Mean entropy over the tokens of the rows' own responses, nats. */
  readonly entropy: number
  readonly scoredTokens: number
  /** A power of two: the bank holds this many times the gradient. */
  readonly scale: number
}

/** Leaves the step's gradient in the model's bank, times a power of two, unless the loss is not finite: then the gradients are zero. */
export async function gradientStep(context: OpContext, model: Decoder, inputs: StepInputs): Promise<StepGradient> {
  const groups = microBatches(inputs.rows, inputs.tokenBudget)
  model.trained!.zeroGradients()
  if (groups.length === 1) return keptStep(context, model, inputs)
  const { directions, rows } = inputs
  const isDirect = directions && (directions.isFinal || canKeepRowGradients(context, model, rows.length))
  return summary(
    isDirect
      ? await directStep(context, model, inputs, directions, groups)
      : await recomputedStep(context, model, inputs, groups),
  )
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
    const derivatives = derivativesOf(loss)
    const scale = gradientScale(context, derivatives)
    if (Number.isFinite(loss.loss)) backwardRows(context, model, forward, derivatives, scale)
    return summary({ loss, scored: [scored], scale })
  } finally {
    scope.close()
  }
}

async function recomputedStep(
  context: OpContext,
  model: Decoder,
  { lossOf, reads, checkpointing }: StepInputs,
  groups: readonly (readonly TokenRow[])[],
): Promise<ComputedStep> {
  const scored: ScoredBatch[] = []
  for (const group of groups) scored.push(await scoreMicroBatch(context, model, group, reads))
  const loss = lossOf(
    groups.flat(),
    scored.flatMap((batch) => batch.scores),
  )
  const derivatives = derivativesOf(loss)
  const scale = gradientScale(context, derivatives)
  let firstRow = 0
  for (const group of Number.isFinite(loss.loss) ? groups : []) {
    const ofGroup = derivatives.slice(firstRow, firstRow + group.length)
    context.memory.withScope(() => {
      backwardRows(context, model, forwardRows(context, model, group, { reads, checkpointing }), ofGroup, scale)
      return undefined
    })
    firstRow += group.length
  }
  return { loss, scored, scale }
}

/** Of each row. */
function derivativesOf({ chosen, rejected }: BatchLoss): RowDerivatives[] {
  return chosen.map((ofChosen, row) => ({ chosen: ofChosen, rejected: rejected[row]! }))
}

function summary({ loss, scored, scale }: ComputedStep): StepGradient {
  const total = (of: (batch: ScoredBatch) => number) => scored.reduce((sum, batch) => sum + of(batch), 0)
  const scoredTokens = total(({ entropyTokens }) => entropyTokens)
  return { loss, entropy: total(({ entropySum }) => entropySum) / scoredTokens, scoredTokens, scale }
}
