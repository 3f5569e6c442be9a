// Sums over rows in two stages, so that rows are summed in parallel and still in a fixed order.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { type Kernel, type KernelVariant, loadKernel } from "#gpu-runner/device/kernel.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { type Lane4, lane4Variants } from "#gpu-runner/kernels/variants.ts"
import { lane4Of, lane4sPerRow } from "../choose-variant.ts"
import { expectShape, matrixShape } from "../expect-shape.ts"

const columnSumKernel = loadKernel("column_sum", lane4Variants())

/** Rows that one partial sum covers; the same number stands in the kernels of the first stage. */
const BLOCK_ROWS = 64

type PartialsKernel = Kernel & { readonly variants: Readonly<Record<Lane4, KernelVariant>> }

/**
 * output [C] += the column sums over T rows. `partialsKernel` writes the sums of 64 rows each, from `inputs` (bound before its
 * output; the first one is [T, C]); its parameters are row_count, lane4s_per_row and block_count.
 */
export function addColumnSums(
  context: OpContext,
  op: string,
  partialsKernel: PartialsKernel,
  inputs: readonly [Tensor, ...Tensor[]],
  output: Tensor,
): void {
  const [rows, columns] = matrixShape(op, "input", inputs[0])
  expectShape(op, "the sum", output, [columns])
  const blockCount = Math.ceil(rows / BLOCK_ROWS)
  const lane4s = lane4sPerRow(columns)
  context.memory.withScope(() => {
    const partials = context.memory.allocate([blockCount, columns], "f32", `${op}.partials`)
    context.recorder.dispatch({
      kernel: partialsKernel,
      variant: partialsKernel.variants[lane4Of(columns)],
      tensors: [...inputs, partials],
      params: { row_count: rows, lane4s_per_row: lane4s, block_count: blockCount },
      workgroupCount: Math.ceil((blockCount * lane4s) / 64),
    })
    context.recorder.dispatch({
      kernel: columnSumKernel,
      variant: columnSumKernel.variants[lane4Of(columns)],
      tensors: [partials, output],
      params: { row_count: blockCount, lane4s_per_row: lane4s },
      workgroupCount: Math.ceil(lane4s / 64),
    })
    return undefined
  })
}
