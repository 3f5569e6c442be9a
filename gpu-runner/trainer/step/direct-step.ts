// A step of several micro-batches without a second forward pass. Where a row's gradient has a direction that is known before the loss
// (shared/methods/pair-direction.ts), each micro-batch is computed forward and backward at once, with the direction for upstream; the
// adapter's gradient is kept for each row, and the rows' factors are applied once the whole step is scored.
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { uploaded } from "#gpu-runner/device/transfer.ts"
import type { Decoder } from "#gpu-runner/models/decoder-parameters.ts"
import {
  addRowGradients,
  openRowGradients,
  type RowGradients,
  slotBytes,
  withRowGradients,
} from "#gpu-runner/models/row-gradients.ts"
import type { PairDirection } from "#shared/methods/pair-direction.ts"
import { gradientScale, unitScale } from "./gradient-scale.ts"
import { backwardRows, forwardRows, type RowDerivatives, scoresOf } from "./micro-batch.ts"
import type { ScoredBatch } from "./score-rows.ts"
import type { StepDirections } from "./step-directions.ts"
import type { StepInputs } from "./step-inputs.ts"
import type { BatchLoss } from "./step-loss.ts"

/** Whether the slots of a step's rows can be bound. */
export function canKeepRowGradients(context: OpContext, model: Decoder, rowCount: number): boolean {
  return rowCount * slotBytes(model).largest <= context.gpu.limits.maxStorageBufferBindingSize
}

/** A step whose gradient lies in the bank, `scale` times. */
export interface ComputedStep {
  readonly loss: BatchLoss
  readonly scored: readonly ScoredBatch[]
  readonly scale: number
}

/** Leaves the step's gradient in the model's bank, which is zero when called. */
export async function directStep(
  context: OpContext,
  model: Decoder,
  inputs: StepInputs,
  { rows: directions, isFinal }: StepDirections,
  groups: readonly (readonly TokenRow[])[],
): Promise<ComputedStep> {
  const scope = context.memory.openScope()
  try {
    const rows = groups.flat()
    const slots = isFinal ? undefined : openRowGradients(context, model, rows.length)
    const scale = slots ? unitScale(directions) : gradientScale(context, directions)
    const scored: ScoredBatch[] = []
    let firstRow = 0
    for (const group of groups) {
      const part = { rows: group, firstRow, directions: directions.slice(firstRow, firstRow + group.length), scale }
      scored.push(await computeGroup(context, model, inputs, part, slots))
      firstRow += group.length
    }
    const scores = scored.flatMap((batch) => batch.scores)
    const loss = inputs.lossOf(rows, scores)
    const isUsable = Number.isFinite(loss.loss)
    if (slots && isUsable) {
      const factors = Float32Array.from(directions, (direction, row) => factorOf(direction, loss, row) / scale)
      addRowGradients(context, slots, uploaded(context, factors, [factors.length], "step.factors"))
    }
    if (!slots && !isUsable) model.trained!.zeroGradients()
    // The rows' factors have taken the scale out of the slots.
    return { loss, scored, scale: slots ? 1 : scale }
  } finally {
    scope.close()
  }
}

interface Group {
  readonly rows: readonly TokenRow[]
  /** The place of its first row in the step. */
  readonly firstRow: number
  readonly directions: readonly RowDerivatives[]
  readonly scale: number
}

/** Forward and backward of one micro-batch: into the slots of its rows, or without slots into the bank. */
async function computeGroup(
  context: OpContext,
  model: Decoder,
  { reads, checkpointing }: StepInputs,
  { rows, firstRow, directions, scale }: Group,
  slots: RowGradients | undefined,
): Promise<ScoredBatch> {
  const scope = context.memory.openScope()
  try {
    const forward = forwardRows(context, model, rows, { reads, checkpointing, rowGradients: slots !== undefined })
    const learner = slots ? withRowGradients(model, slots, forward.batch, firstRow) : model
    backwardRows(context, learner, forward, directions, scale)
    return await scoresOf(context, forward, reads)
  } finally {
    scope.close()
  }
}

/** What the direction of a row is multiplied by. */
function factorOf({ chosen }: PairDirection, loss: BatchLoss, row: number): number {
  return loss.chosen[row]!.perToken / chosen.perToken
}
