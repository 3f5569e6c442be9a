// Gradient clipping by global norm, as torch.nn.utils.clip_grad_norm_ does it. The norm never leaves the device.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { loadKernel } from "#gpu-runner/device/kernel.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { expectShape } from "#gpu-runner/ops/expect-shape.ts"

const clipCoefficientKernel = loadKernel("clip_coefficient")

/**
 * [norm, coefficient] from a sum of squares [1]: coefficient = min(1, maxNorm / (norm + 1e-6)), or 1 if maxNorm is 0 (off). Where the
 * squared elements are `gradientScale` times the gradient's, the norm is the gradient's own and the coefficient takes the scale out.
 */
export function clipCoefficient(context: OpContext, sumOfSquares: Tensor, maxNorm: number, gradientScale = 1): Tensor {
  expectShape("clipCoefficient", "sumOfSquares", sumOfSquares, [1])
  const clip = context.memory.allocate([2], "f32", "clip_coefficient.clip")
  context.recorder.dispatch({
    kernel: clipCoefficientKernel,
    variant: clipCoefficientKernel.variants.only,
    tensors: [sumOfSquares, clip],
    params: { max_norm: maxNorm, inverse_scale: 1 / gradientScale },
    workgroupCount: 1,
  })
  return clip
}
