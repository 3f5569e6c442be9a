// AdamW with decoupled weight decay (Loshchilov & Hutter, arXiv 1711.05101), in the order of operations of torch.optim.AdamW.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import { loadKernel } from "#gpu-runner/device/kernel.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { dispatchElementwise, fill } from "#gpu-runner/ops/elementwise/elementwise.ts"
import { expectShape } from "#gpu-runner/ops/expect-shape.ts"

const adamwKernel = loadKernel("adamw")

/** One trained tensor and its state, all of one shape; the moments start at zero. */
export interface TrainedParameter {
  readonly parameter: Tensor
  readonly gradient: Tensor
  readonly firstMoment: Tensor
  readonly secondMoment: Tensor
}

export interface AdamwOptions {
  /** Counted from 1, for the bias corrections. */
  readonly step: number
  readonly learningRate: number
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
  readonly weightDecay: number
}

/** Updates parameters and moments in place. Gradients are scaled by `clip`'s coefficient ([norm, coefficient]) if given. */
export function adamw(
  context: OpContext,
  parameters: readonly TrainedParameter[],
  options: AdamwOptions,
  clip?: Tensor,
): void {
  const params = adamwParams(options)
  context.memory.withScope(() => {
    const coefficient = clip ?? unclipped(context)
    expectShape("adamw", "clip", coefficient, [2])
    for (const { parameter, gradient, firstMoment, secondMoment } of parameters) {
      expectShape("adamw", "gradient", gradient, parameter.shape)
      expectShape("adamw", "firstMoment", firstMoment, parameter.shape)
      expectShape("adamw", "secondMoment", secondMoment, parameter.shape)
      const tensors = [gradient, coefficient, parameter, firstMoment, secondMoment]
      dispatchElementwise(context, adamwKernel, tensors, parameter, params)
    }
    return undefined
  })
}

/** The scalars of a step that kernels take, with bias corrections in f64. A step below 1 is a ShapeMismatch. */
export function adamwParams({ step, learningRate, beta1, beta2, epsilon, weightDecay }: AdamwOptions) {
  if (!Number.isInteger(step) || step < 1) {
    throw new ShapeMismatch("adamw", `step is ${step}; steps count from 1`)
  }
  return {
    decay: 1 - learningRate * weightDecay,
    step_size: learningRate / (1 - beta1 ** step),
    one_minus_beta1: 1 - beta1,
    beta2,
    one_minus_beta2: 1 - beta2,
    inverse_sqrt_correction2: 1 / Math.sqrt(1 - beta2 ** step),
    epsilon,
  }
}

/** A clip that changes nothing, [norm, coefficient] with coefficient 1, in the open scope. */
export function unclipped(context: OpContext): Tensor {
  const clip = context.memory.allocate([2], "f32", "adamw.unclipped")
  fill(context, clip, 1)
  return clip
}
