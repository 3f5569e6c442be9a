// Reductions: row-wise dot products, and the sum of squares of a list of tensors (the global gradient norm).
import type { OpContext } from "#gpu-runner/device/context.ts"
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { dotRowsKernel } from "#gpu-runner/kernels/dot_rows.ts"
import { sumKernel } from "#gpu-runner/kernels/sum.ts"
import { sumOfSquaresPartialsKernel } from "#gpu-runner/kernels/sum_of_squares_partials.ts"
import { laneVariant, packsPerRow, rowVariant } from "./choose-variant.ts"
import { expectShape, matrixShape } from "./expect-shape.ts"

/** Elements of one partial sum; the same number stands in sum_of_squares_partials.wgsl. */
const BLOCK_SIZE = 4096

/** output [R] = Σ_c left[r, c] · right[r, c] for two [R, C]. f32 accumulation. */
export function dotRows(context: OpContext, left: Tensor, right: Tensor): Tensor {
  const [rows, columns] = matrixShape("dotRows", "left", left)
  expectShape("dotRows", "right", right, left.shape)
  const output = context.memory.allocate([rows], "f32", "dot_rows.output")
  context.recorder.dispatch({
    kernel: dotRowsKernel,
    variant: rowVariant(context, dotRowsKernel, columns),
    tensors: [left, right, output],
    params: { row_count: rows, packs_per_row: packsPerRow(columns) },
    workgroupCount: rows,
  })
  return output
}

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
        variant: laneVariant(context, sumOfSquaresPartialsKernel),
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
    variant: laneVariant(context, sumKernel),
    tensors: [input, output],
    params: { element_count: input.byteLength / 4 },
    workgroupCount: 1,
  })
  return output
}
