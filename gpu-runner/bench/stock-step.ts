// A training step as trainers commonly take it, on this engine: every response behind a prompt of its own, the reference's log-probs
// computed at each step, activations checkpointed. What `bench pair` measures the engine's own step against; nothing trains this way.
import { responseLogProb } from "#gpu-runner/data/rows/reference-file.ts"
import { rowTokens, type TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Decoder } from "#gpu-runner/models/decoder-parameters.ts"
import { gradientStep, type StepGradient } from "#gpu-runner/trainer/step/gradient-step.ts"
import { type RowScores, scoreRows } from "#gpu-runner/trainer/step/score-rows.ts"
import type { LossOf } from "#gpu-runner/trainer/step/step-inputs.ts"
import { bySum } from "#shared/methods/pair-log-probs.ts"

export interface StockInputs {
  readonly rows: readonly TokenRow[]
  readonly policy: Decoder
  readonly reference: Decoder
  /** Called with the rows, each with the reference that was just computed, and the policy's scores. */
  readonly lossOf: LossOf
}

/**
 * Leaves the step's gradient in the policy's bank: to rounding that of `gradientStep` on the same rows. One micro-batch, so that
 * nothing but checkpointing is computed twice.
 */
export async function stockStep(
  context: OpContext,
  { rows, policy, reference, lossOf }: StockInputs,
): Promise<StepGradient> {
  const unshared = rows.flatMap(unsharedRows)
  const tokenBudget = unshared.reduce((sum, row) => sum + rowTokens(row), 0)
  const ofReference = pairedScores(await scoreRows(context, reference, unshared, { tokenBudget }))
  const referenced = rows.map((row, index) => {
    const { chosen, rejected } = ofReference[index]!
    return { ...row, reference: { chosen: responseLogProb(chosen), rejected: responseLogProb(rejected) } }
  })
  return gradientStep(context, policy, {
    rows: unshared,
    tokenBudget,
    checkpointing: true,
    lossOf: (_, scores) => {
      const loss = lossOf(referenced, pairedScores(scores))
      const chosen = loss.chosen.flatMap((gradient, index) => [gradient, loss.rejected[index]!])
      return { ...loss, chosen, rejected: chosen.map(() => bySum(0)) }
    },
  })
}

/** A pair as two rows of one response each. */
function unsharedRows(row: TokenRow): readonly [TokenRow, TokenRow] {
  const rejectedIds = new Uint32Array(0)
  return [
    { ...row, rejectedIds },
    { ...row, chosenIds: row.rejectedIds, rejectedIds },
  ]
}

/** Scores of unshared rows, put together as those of pairs. */
function pairedScores(scores: readonly RowScores[]): RowScores[] {
  return Array.from({ length: scores.length / 2 }, (_, index) => ({
    chosen: scores[2 * index]!.chosen,
    rejected: scores[2 * index + 1]!.chosen,
  }))
}
