// A bias added to every row of a linear layer's output (Qwen2's q, k and v).

import type { OpContext } from "#gpu-runner/device/context.ts"
import { loadKernel } from "#gpu-runner/device/kernel.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { lane4Variants } from "#gpu-runner/kernels/variants.ts"
import { lane4Of, lane4sPerRow } from "../choose-variant.ts"
import { expectShape, matrixShape } from "../expect-shape.ts"
import { addColumnSums } from "./column-sums.ts"

const addRowBiasKernel = loadKernel("add_row_bias", lane4Variants())
const columnPartialsKernel = loadKernel("column_partials", lane4Variants())

/** output [T, N] = input [T, N] + bias [N] in a new tensor. The input's gradient is dOutput as it is. */
export function addRowBias(context: OpContext, input: Tensor, bias: Tensor): Tensor {
  const [rows, columns] = matrixShape("addRowBias", "input", input)
  expectShape("addRowBias", "bias", bias, [columns])
  const output = context.memory.allocate([rows, columns], "f32", "add_row_bias.output")
  context.recorder.dispatch({
    kernel: addRowBiasKernel,
    variant: addRowBiasKernel.variants[lane4Of(columns)],
    tensors: [input, bias, output],
    params: { row_count: rows, lane4s_per_row: lane4sPerRow(columns) },
    workgroupCount: Math.ceil((rows * lane4sPerRow(columns)) / 64),
  })
  return output
}

/** dBias [N] += the sum of dOutput's [T, N] rows, in a fixed order. */
export function rowBiasBackward(context: OpContext, dOutput: Tensor, dBias: Tensor): void {
  addColumnSums(context, "rowBiasBackward", columnPartialsKernel, [dOutput], dBias)
}
