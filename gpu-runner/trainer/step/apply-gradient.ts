// The end of an optimiser step on the device: global norm, clipping, AdamW. Nothing is applied unless loss and norm are finite.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { readback } from "#gpu-runner/device/transfer.ts"
import type { Decoder } from "#gpu-runner/models/decoder-parameters.ts"
import type { AdamwState } from "#gpu-runner/optimiser/adamw-state.ts"
import { clipCoefficient } from "#gpu-runner/optimiser/clip.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import { gradientSumOfSquares, type StepGradient } from "./gradient-step.ts"

export interface UpdateFacts {
  /** Updates before this one. */
  readonly updates: number
  readonly learningRate: number
}

/** Clips and applies the gradient in the model's bank; returns its norm before clipping, NaN where the step must be skipped. */
export async function applyGradient(
  context: OpContext,
  policy: Decoder,
  optimiser: AdamwState,
  config: TrainConfig,
  gradient: StepGradient,
  { updates, learningRate }: UpdateFacts,
): Promise<number> {
  if (!Number.isFinite(gradient.loss.loss)) return Number.NaN
  const scope = context.memory.openScope()
  try {
    const { recorder } = context
    const norms = () => clipCoefficient(context, gradientSumOfSquares(context, policy), config.maxGradNorm)
    const clip = recorder.withinPhase("optimiser", norms)
    const [norm] = (await readback(context, [clip]))[0]!
    if (!Number.isFinite(norm)) return Number.NaN
    const options = {
      step: updates + 1,
      learningRate,
      beta1: config.adamBeta1,
      beta2: config.adamBeta2,
      epsilon: config.adamEpsilon,
      weightDecay: config.weightDecay,
    }
    recorder.withinPhase("optimiser", () => optimiser.update(options, clip))
    return norm!
  } finally {
    scope.close()
  }
}
