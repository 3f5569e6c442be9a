// The gradient of a linear layer's weight, also where the weight lies in several buffers.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { columnsOf } from "../rows/copy-columns.ts"
import { matmul } from "./matmul.ts"
import { type F32Matrix, tensorRanges } from "./matrix-ranges.ts"

/** dWeight [N, K] += dOutputᵀ input for dOutput [T, N] and input [T, K]. Errors: ShapeMismatch. */
export function addWeightGradient(context: OpContext, dOutput: Tensor, input: Tensor, dWeight: F32Matrix): void {
  const ranges = tensorRanges(dWeight)
  for (const { tensor: out, firstRow, rowCount } of ranges) {
    context.memory.withScope(() => {
      const columns = ranges.length === 1 ? dOutput : columnsOf(context, dOutput, firstRow, rowCount)
      matmul(context, columns, input, { transposeA: true, out, accumulate: true })
      return undefined
    })
  }
}
