// RMSNorm (Zhang & Sennrich, arXiv 1910.07467), as Llama and Gemma use it: no mean subtraction, no bias. Gemma stores weights as differences from 1.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { loadKernel } from "#gpu-runner/device/kernel.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { lane4Variants, rowVariants } from "#gpu-runner/kernels/variants.ts"
import { lane4sPerRow, rowVariant } from "../choose-variant.ts"
import { expectDistinct, expectShape, matrixShape } from "../expect-shape.ts"
import { addColumnSums } from "./rows.ts"

const rmsNormKernel = loadKernel("rms_norm", rowVariants())
const rmsNormBackwardKernel = loadKernel("rms_norm_backward", rowVariants())
const rmsNormWeightPartialsKernel = loadKernel("rms_norm_weight_partials", lane4Variants())

export interface RmsNormResult {
  readonly output: Tensor
  /** 1 / sqrt(mean(x²) + epsilon) of each row, kept for the backward pass. */
  readonly inverseRms: Tensor
}

export interface RmsNormOptions {
  readonly epsilon: number
  /** Added to every weight: 1 for Gemma's norms. 0 by default. */
  readonly weightOffset?: number
}

/** output [T, C] = input · inverseRms · (weightOffset + weight) for input [T, C], weight [C]. f32 accumulation. */
export function rmsNorm(
  context: OpContext,
  input: Tensor,
  weight: Tensor,
  { epsilon, weightOffset = 0 }: RmsNormOptions,
): RmsNormResult {
  const [rows, columns] = matrixShape("rmsNorm", "input", input)
  expectShape("rmsNorm", "weight", weight, [columns])
  const output = context.memory.allocate([rows, columns], "f32", "rms_norm.output")
  const inverseRms = context.memory.allocate([rows], "f32", "rms_norm.inverse_rms")
  context.recorder.dispatch({
    kernel: rmsNormKernel,
    variant: rowVariant(context, rmsNormKernel, columns),
    tensors: [input, weight, output, inverseRms],
    params: { row_count: rows, lane4s_per_row: lane4sPerRow(columns), epsilon, weight_offset: weightOffset },
    workgroupCount: rows,
  })
  return { output, inverseRms }
}

export interface RmsNormBackwardOptions {
  /** As in the forward pass. */
  readonly weightOffset?: number
  /** [C], += ; left out for frozen weights. */
  readonly dWeight?: Tensor | undefined
  /** [T, C], += ; a new tensor otherwise. */
  readonly dInput?: Tensor | undefined
}

export interface RmsNormBackwardInputs {
  readonly input: Tensor
  readonly weight: Tensor
  readonly inverseRms: Tensor
  readonly dOutput: Tensor
}

/**
 * The gradient of rmsNorm's input, [T, C]: added to `options.dInput` if that is given (and returned), else a new tensor.
 * With `options.dWeight` [C] the weight's gradient is added there, the same whatever the offset.
 */
export function rmsNormBackward(
  context: OpContext,
  { input, weight, inverseRms, dOutput }: RmsNormBackwardInputs,
  options: RmsNormBackwardOptions = {},
): Tensor {
  const [rows, columns] = matrixShape("rmsNormBackward", "input", input)
  expectShape("rmsNormBackward", "weight", weight, [columns])
  expectShape("rmsNormBackward", "inverseRms", inverseRms, [rows])
  expectShape("rmsNormBackward", "dOutput", dOutput, [rows, columns])
  const dInput = options.dInput ?? context.memory.allocate([rows, columns], "f32", "rms_norm.d_input")
  expectShape("rmsNormBackward", "dInput", dInput, [rows, columns])
  expectDistinct("rmsNormBackward", dInput, [input, weight, dOutput])
  context.recorder.dispatch({
    kernel: rmsNormBackwardKernel,
    variant: rowVariant(context, rmsNormBackwardKernel, columns),
    tensors: [input, weight, inverseRms, dOutput, dInput],
    params: {
      row_count: rows,
      lane4s_per_row: lane4sPerRow(columns),
      accumulate: options.dInput ? 1 : 0,
      weight_offset: options.weightOffset ?? 0,
    },
    workgroupCount: rows,
  })
  if (options.dWeight) {
    const inputs = [input, inverseRms, dOutput] as const
    addColumnSums(context, "rmsNormBackward", rmsNormWeightPartialsKernel, inputs, options.dWeight)
  }
  return dInput
}
