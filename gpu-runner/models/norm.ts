// The model's RMSNorms: over whole rows, or over each head of a row (q and k norms). Both with the config's epsilon and offset.
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { type RmsNormResult, rmsNorm, rmsNormBackward } from "#gpu-runner/ops/rows/rms-norm.ts"
import type { LayerPass } from "./layer-pass.ts"
import type { Weight } from "./linear.ts"

/** The final norm is of no layer. */
type NormPass = Pick<LayerPass, "context" | "config">

export interface NormSaved {
  readonly input: Tensor
  readonly inverseRms: Tensor
  readonly dOutput: Tensor
}

/** Norms the rows of input [T, C] by a weight [C]. */
export function norm({ context, config }: NormPass, weight: Weight, input: Tensor): RmsNormResult {
  return rmsNorm(context, input, weight.value, { epsilon: config.rmsNormEpsilon, weightOffset: config.normOffset })
}

/** Adds the weight's gradient where it is trained. The input's is added to `dInput`, or returned in a new tensor. */
export function normBackward({ context, config }: NormPass, weight: Weight, saved: NormSaved, dInput?: Tensor): Tensor {
  const options = { weightOffset: config.normOffset, dWeight: weight.gradient, dInput }
  return rmsNormBackward(context, { ...saved, weight: weight.value }, options)
}

/** Norms each head of input [T, H·D] by a weight [D]; inverseRms is [T·H]. The output is a view, which no scope keeps. */
export function headNorm(pass: NormPass, weight: Weight, input: Tensor): RmsNormResult {
  const { output, inverseRms } = norm(pass, weight, headRows(input, weight))
  return { output: { ...output, shape: input.shape }, inverseRms }
}

/** As normBackward, for headNorm; the input's gradient [T, H·D] is a view of a new tensor. */
export function headNormBackward(pass: NormPass, weight: Weight, saved: NormSaved): Tensor {
  const { input, inverseRms, dOutput } = saved
  const heads = { input: headRows(input, weight), inverseRms, dOutput: headRows(dOutput, weight) }
  return { ...normBackward(pass, weight, heads), shape: input.shape }
}

/** [T, H·D] as [T·H, D]: the same elements in the same order. */
function headRows(tensor: Tensor, weight: Weight): Tensor {
  const headSize = weight.value.shape[0]!
  return { ...tensor, shape: [tensor.byteLength / 4 / headSize, headSize] }
}
