// What one optimiser step takes on the device at its peak, found by rehearsing its largest micro-batch.
import { rowTokens, type TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { TensorTooLarge } from "#gpu-runner/device/errors.ts"
import { rehearsalContext } from "#gpu-runner/device/rehearsal.ts"
import type { Decoder } from "#gpu-runner/models/decoder-parameters.ts"
import { openRowGradients, withRowGradients } from "#gpu-runner/models/row-gradients.ts"
import { bySum } from "#shared/methods/pair-log-probs.ts"
import { backwardRows, forwardRows } from "../step/micro-batch.ts"
import type { DistributionReads } from "../step/score-rows.ts"

export interface RehearsedStep {
  readonly tokenBudget: number
  readonly checkpointing: boolean
  /** Rows of the step whose gradients are kept one by one; 0 for none. */
  readonly slotRows: number
}

/** What a step's temporaries take, without weights, gradients and moments. */
export interface StepBytes {
  /** In use at their peak. */
  readonly peakBytes: number
  /** With buffers of other sizes that wait for reuse, which go back to the device only where memory is short. */
  readonly heldBytes: number
}

/**
 * Bytes of a step's temporaries; infinite where a tensor would not fit into one binding. The micro-batch is the one of the longest rows; `model` is a standInDecoder.
 */
export function rehearsedStepBytes(
  like: OpContext,
  model: Decoder,
  rows: readonly TokenRow[],
  reads: DistributionReads,
  { tokenBudget, checkpointing, slotRows }: RehearsedStep,
): StepBytes {
  const group = longestRows(rows, tokenBudget)
  return bytesOf(like, (context) => {
    const slots = slotRows > 0 ? openRowGradients(context, model, slotRows) : undefined
    const forward = forwardRows(context, model, group, { reads, checkpointing, rowGradients: slots !== undefined })
    const learner = slots ? withRowGradients(model, slots, forward.batch, 0) : model
    const derivatives = group.map(() => ({ chosen: bySum(1), rejected: bySum(1) }))
    backwardRows(context, learner, forward, derivatives)
  })
}

function bytesOf(like: OpContext, body: (context: OpContext) => void): StepBytes {
  const context = rehearsalContext(like)
  try {
    context.memory.withScope(() => {
      body(context)
      return undefined
    })
  } catch (error) {
    if (error instanceof TensorTooLarge)
      return { peakBytes: Number.POSITIVE_INFINITY, heldBytes: Number.POSITIVE_INFINITY }
    throw error
  }
  const { peakUsedBytes: peakBytes, reservedBytes: heldBytes } = context.memory.statistics()
  return { peakBytes, heldBytes }
}

/** The longest rows that fit into a budget together, and at least the longest of all. */
function longestRows(rows: readonly TokenRow[], tokenBudget: number): readonly TokenRow[] {
  const byLength = rows.toSorted((left, right) => rowTokens(right) - rowTokens(left))
  const group: TokenRow[] = []
  let tokens = 0
  for (const row of byLength) {
    if (group.length > 0 && tokens + rowTokens(row) > tokenBudget) break
    group.push(row)
    tokens += rowTokens(row)
  }
  return group
}
