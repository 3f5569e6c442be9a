// Sums over rows in two stages, so that rows are summed in parallel and still in a fixed order.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { type Kernel, type KernelVariant, loadKernel } from "#gpu-runner/device/kernel.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { type Pack, packVariants } from "#gpu-runner/kernels/variants.ts"
import { packOf, packsPerRow } from "../choose-variant.ts"
import { expectShape, matrixShape } from "../expect-shape.ts"

const columnSumKernel = loadKernel("column_sum", packVariants())

/** Rows that one partial sum covers; the same number stands in the kernels of the first stage. */
const BLOCK_ROWS = 64

type PartialsKernel = Kernel & { readonly variants: Readonly<Record<Pack, KernelVariant>> }

/**
 * output [C] += the column sums over T rows. `partialsKernel` writes the sums of 64 rows each, from `inputs` (bound before its
 * output; the first one is [T, C]); its parameters are row_count, packs_per_row and block_count.
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
  const packs = packsPerRow(columns)
  context.memory.withScope(() => {
    const partials = context.memory.allocate([blockCount, columns], "f32", `${op}.partials`)
    context.recorder.dispatch({
      kernel: partialsKernel,
      variant: partialsKernel.variants[packOf(columns)],
      tensors: [...inputs, partials],
      params: { row_count: rows, packs_per_row: packs, block_count: blockCount },
      workgroupCount: Math.ceil((blockCount * packs) / 64),
    })
    context.recorder.dispatch({
      kernel: columnSumKernel,
      variant: columnSumKernel.variants[packOf(columns)],
      tensors: [partials, output],
      params: { row_count: blockCount, packs_per_row: packs },
      workgroupCount: Math.ceil(packs / 64),
    })
    return undefined
  })
}
