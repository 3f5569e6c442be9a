// RMSNorm (Zhang & Sennrich, arXiv 1910.07467), as Llama uses it: no mean subtraction, no bias.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { columnSumKernel } from "#gpu-runner/kernels/column_sum.ts"
import { rmsNormKernel } from "#gpu-runner/kernels/rms_norm.ts"
import { rmsNormBackwardKernel } from "#gpu-runner/kernels/rms_norm_backward.ts"
import { rmsNormWeightPartialsKernel } from "#gpu-runner/kernels/rms_norm_weight_partials.ts"
import { packOf, packsPerRow, rowVariant } from "./choose-variant.ts"
import { expectDistinct, expectShape, matrixShape } from "./expect-shape.ts"

export interface RmsNormResult {
  readonly output: Tensor
  /** 1 / sqrt(mean(x²) + epsilon) of each row, kept for the backward pass. */
  readonly inverseRms: Tensor
}

/** Rows that one partial sum of dWeight covers; the same number stands in rms_norm_weight_partials.wgsl. */
const BLOCK_ROWS = 64

/** output [T, C] = input · inverseRms · weight for input [T, C], weight [C]. f32 accumulation. */
export function rmsNorm(
  context: OpContext,
  input: Tensor,
  weight: Tensor,
  { epsilon }: { readonly epsilon: number },
): RmsNormResult {
  const [rows, columns] = matrixShape("rmsNorm", "input", input)
  expectShape("rmsNorm", "weight", weight, [columns])
  const output = context.memory.allocate([rows, columns], "f32", "rms_norm.output")
  const inverseRms = context.memory.allocate([rows], "f32", "rms_norm.inverse_rms")
  context.recorder.dispatch({
    kernel: rmsNormKernel,
    variant: rowVariant(context, rmsNormKernel, columns),
    tensors: [input, weight, output, inverseRms],
    params: { row_count: rows, packs_per_row: packsPerRow(columns), epsilon },
    workgroupCount: rows,
  })
  return { output, inverseRms }
}

export interface RmsNormBackwardInputs {
  readonly input: Tensor
  readonly weight: Tensor
  readonly inverseRms: Tensor
  readonly dOutput: Tensor
}

/**
 * The gradient of rmsNorm's input, [T, C]: added to `accumulate.dInput` if that is given (and returned), else a new tensor.
 * With `accumulate.dWeight` [C] the weight's gradient is added there; leave it out for frozen weights.
 */
export function rmsNormBackward(
  context: OpContext,
  { input, weight, inverseRms, dOutput }: RmsNormBackwardInputs,
  accumulate: { readonly dWeight?: Tensor | undefined; readonly dInput?: Tensor | undefined } = {},
): Tensor {
  const [rows, columns] = matrixShape("rmsNormBackward", "input", input)
  expectShape("rmsNormBackward", "weight", weight, [columns])
  expectShape("rmsNormBackward", "inverseRms", inverseRms, [rows])
  expectShape("rmsNormBackward", "dOutput", dOutput, [rows, columns])
  const dInput = accumulate.dInput ?? context.memory.allocate([rows, columns], "f32", "rms_norm.d_input")
  expectShape("rmsNormBackward", "dInput", dInput, [rows, columns])
  expectDistinct("rmsNormBackward", dInput, [input, weight, dOutput])
  context.recorder.dispatch({
    kernel: rmsNormBackwardKernel,
    variant: rowVariant(context, rmsNormBackwardKernel, columns),
    tensors: [input, weight, inverseRms, dOutput, dInput],
    params: { row_count: rows, packs_per_row: packsPerRow(columns), accumulate: accumulate.dInput ? 1 : 0 },
    workgroupCount: rows,
  })
  if (accumulate.dWeight) addWeightGradient(context, input, inverseRms, dOutput, accumulate.dWeight)
  return dInput
}

// Two stages, so that rows are summed in parallel and still in a fixed order.
function addWeightGradient(context: OpContext, input: Tensor, inverseRms: Tensor, dOutput: Tensor, dWeight: Tensor) {
  const [rows, columns] = matrixShape("rmsNormBackward", "input", input)
  expectShape("rmsNormBackward", "dWeight", dWeight, [columns])
  const blockCount = Math.ceil(rows / BLOCK_ROWS)
  const packs = packsPerRow(columns)
  context.memory.withScope(() => {
    const partials = context.memory.allocate([blockCount, columns], "f32", "rms_norm.weight_partials")
    context.recorder.dispatch({
      kernel: rmsNormWeightPartialsKernel,
      variant: rmsNormWeightPartialsKernel.variants[packOf(columns)],
      tensors: [input, inverseRms, dOutput, partials],
      params: { row_count: rows, packs_per_row: packs, block_count: blockCount },
      workgroupCount: Math.ceil((blockCount * packs) / 64),
    })
    context.recorder.dispatch({
      kernel: columnSumKernel,
      variant: columnSumKernel.variants[packOf(columns)],
      tensors: [partials, dWeight],
      params: { row_count: blockCount, packs_per_row: packs },
      workgroupCount: Math.ceil(packs / 64),
    })
    return undefined
  })
}
