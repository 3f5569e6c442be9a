// The sum of squares of a list of tensors (the global gradient norm).
import type { OpContext } from "#gpu-runner/device/context.ts"
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import { loadKernel } from "#gpu-runner/device/kernel.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { reductionVariants } from "#gpu-runner/kernels/variants.ts"
import { reductionVariant } from "../choose-variant.ts"
import { expectShape } from "../expect-shape.ts"

const sumKernel = loadKernel("sum", reductionVariants())
const sumOfSquaresPartialsKernel = loadKernel("sum_of_squares_partials", reductionVariants())

/** Elements of one partial sum; the same number stands in sum_of_squares_partials.wgsl. */
const BLOCK_SIZE = 4096

/** Σ x² over all elements of all tensors, [1]. Partial sums of 4096 elements, added in a fixed order; f32 accumulation. */
export function sumOfSquares(context: OpContext, tensors: readonly Tensor[]): Tensor {
  if (tensors.length === 0) throw new ShapeMismatch("sumOfSquares", "the list of tensors is empty")
  const blockCounts = tensors.map((tensor) => Math.ceil(tensor.byteLength / 4 / BLOCK_SIZE))
  const partialCount = blockCounts.reduce((sum, count) => sum + count, 0)
  return context.memory.withScope(() => {
    const partials = context.memory.allocate([partialCount], "f32", "sum_of_squares.partials")
    let offset = 0
    tensors.forEach((tensor, index) => {
      expectShape("sumOfSquares", `tensor ${index}`, tensor, tensor.shape)
      const blockCount = blockCounts[index]!
      context.recorder.dispatch({
        kernel: sumOfSquaresPartialsKernel,
        variant: reductionVariant(context, sumOfSquaresPartialsKernel),
        tensors: [tensor, partials],
        params: { element_count: tensor.byteLength / 4, block_count: blockCount, offset },
        workgroupCount: blockCount,
      })
      offset += blockCount
    })
    return sumAll(context, partials)
  })
}

function sumAll(context: OpContext, input: Tensor): Tensor {
  const output = context.memory.allocate([1], "f32", "sum.output")
  context.recorder.dispatch({
    kernel: sumKernel,
    variant: reductionVariant(context, sumKernel),
    tensors: [input, output],
    params: { element_count: input.byteLength / 4 },
    workgroupCount: 1,
  })
  return output
}
