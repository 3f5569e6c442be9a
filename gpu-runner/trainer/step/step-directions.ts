// What is known of a step's gradient before anything is scored, from its rows' lengths and the method alone.
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import { isPreferenceMethod, methodDefaults } from "#shared/methods/methods.ts"
import type { PairDirection } from "#shared/methods/pair-direction.ts"
import { bySum } from "#shared/methods/pair-log-probs.ts"
import { sftLoss } from "#shared/methods/sft.ts"
import { pairDirection } from "#shared/methods/step-loss.ts"

export interface StepDirections {
  /** Of each row. */
  readonly rows: readonly PairDirection[]
  /** The factors are 1: these are the derivatives themselves, where nothing is compared. */
  readonly isFinal: boolean
}

/**
 * Undefined where chosen and rejected have factors of their own, see pairDirection; and where the rows' gradients cannot be kept one by
 * one, unless their factors are known too.
 */
export function stepDirections(
  rows: readonly TokenRow[],
  config: TrainConfig,
  { keepsRowGradients }: { readonly keepsRowGradients: boolean },
): StepDirections | undefined {
  const { method } = config
  if (!isPreferenceMethod(method)) {
    const responses = rows.map(({ chosenIds }) => ({ sum: 0, count: chosenIds.length }))
    const { tokenWeights } = sftLoss(
      responses,
      rows.map(({ weight }) => weight),
    )
    return {
      rows: Array.from(tokenWeights, (weight) => ({ chosen: bySum(weight), rejected: bySum(0) })),
      isFinal: true,
    }
  }
  if (!keepsRowGradients) return undefined
  const options = { ...methodDefaults(method), ...config, method }
  const directions = rows.flatMap(
    ({ chosenIds, rejectedIds }) =>
      pairDirection({ chosen: chosenIds.length, rejected: rejectedIds.length }, options) ?? [],
  )
  return directions.length === rows.length ? { rows: directions, isFinal: false } : undefined
}
