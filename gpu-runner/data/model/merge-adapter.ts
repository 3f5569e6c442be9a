// Folds an adapter into its base model's weights on the host: W + s·B A in f64, rounded once to the dtype of choice.

import type { Adapter, AdapterModule } from "#shared/formats/peft/adapter.ts"
import { roundToOdd } from "#shared/formats/weights/half-float.ts"
import {
  asFloat32,
  encodeTensor,
  type FloatDtype,
  isFloatDtype,
  type Tensor,
} from "#shared/formats/weights/safetensors.ts"

/** All weights with the adapter folded in: f32 where a module was adapted, the stored tensor elsewhere. */
export function mergeAdapter(tensors: ReadonlyMap<string, Tensor>, adapter: Adapter): Map<string, Tensor> {
  return new Map([...tensors].map(([name, tensor]) => [name, mergedTensor(tensor, adapter, "F32")]))
}

/**
 * One weight with the adapter folded in, in the given dtype, by default its own (F32, F16 or BF16; one rounding to nearest,
 * ties to even). A weight that the adapter leaves alone is returned as it is stored.
 */
export function mergedTensor(tensor: Tensor, adapter: Adapter, dtype?: FloatDtype): Tensor {
  const module = adapter.modules.get(tensor.name.replace(/\.weight$/, ""))
  if (!module || !tensor.name.endsWith(".weight")) return tensor
  const target = dtype ?? (isFloatDtype(tensor.dtype) ? tensor.dtype : "F32")
  const values = addLowRank(asFloat32(tensor), module, adapter, target === "F32" ? Math.fround : roundToOdd)
  return encodeTensor(tensor.name, tensor.shape, values, target)
}

function addLowRank(
  weight: Float32Array,
  { a, b }: AdapterModule,
  { settings: { rank }, scaling }: Adapter,
  round: (value: number) => number,
): Float32Array {
  const columns = a.length / rank
  const result = new Float32Array(weight.length)
  const update = new Float64Array(columns)
  for (let row = 0; row < b.length / rank; row++) {
    update.fill(0)
    for (let r = 0; r < rank; r++) {
      const factor = scaling * b[row * rank + r]!
      for (let column = 0; column < columns; column++) update[column]! += factor * a[r * columns + column]!
    }
    for (let column = 0; column < columns; column++) {
      result[row * columns + column] = round(weight[row * columns + column]! + update[column]!)
    }
  }
  return result
}
