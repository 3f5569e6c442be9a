// The end of an optimiser step on the device: global norm, clipping, AdamW. Nothing is applied unless loss and norm are finite. The host
// does not wait for the norm: it comes with the scores of the step after it.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { readLater } from "#gpu-runner/device/transfer.ts"
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

/** What came of a gradient, once the next readback is done. */
export interface Update {
  /** The norm before clipping; not finite where the step was skipped. A TypeError before the next readback. */
  readonly gradientNorm: number
}

/** Clips and applies the gradient in the model's bank, and submits that. */
export function applyGradient(
  context: OpContext,
  policy: Decoder,
  optimiser: AdamwState,
  config: TrainConfig,
  gradient: StepGradient,
  { updates, learningRate }: UpdateFacts,
): Update {
  if (!Number.isFinite(gradient.loss.loss)) return { gradientNorm: Number.NaN }
  const { recorder, memory } = context
  const options = {
    step: updates + 1,
    learningRate,
    beta1: config.adamBeta1,
    beta2: config.adamBeta2,
    epsilon: config.adamEpsilon,
    weightDecay: config.weightDecay,
  }
  const scope = memory.openScope()
  try {
    return recorder.withinPhase("optimiser", () => {
      const clip = clipCoefficient(context, gradientSumOfSquares(context, policy), config.maxGradNorm, gradient.scale)
      const read = readLater(context, [clip])
      // Where the norm is not finite it changes nothing.
      optimiser.update(options, clip)
      recorder.submitReady()
      return {
        get gradientNorm() {
          return read.values![0]![0]!
        },
      }
    })
  } finally {
    scope.close()
  }
}
