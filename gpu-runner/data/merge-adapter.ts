// Folds an adapter into its base model's weights on the host: W + s·B A, in f64, rounded to f32 once.
import type { Adapter } from "#shared/formats/peft.ts"
import { asFloat32, type Tensor, tensorOf } from "#shared/formats/safetensors.ts"

/** Weights with the adapter folded in: f32 where a module was adapted, the stored tensor elsewhere. */
export function mergeAdapter(tensors: ReadonlyMap<string, Tensor>, adapter: Adapter): Map<string, Tensor> {
  const merged = new Map(tensors)
  const { rank } = adapter.settings
  for (const [path, { a, b }] of adapter.modules) {
    const name = `${path}.weight`
    const base = tensors.get(name)!
    merged.set(name, tensorOf(name, base.shape, addLowRank(asFloat32(base), a, b, rank, adapter.scaling)))
  }
  return merged
}

function addLowRank(
  weight: Float32Array,
  a: Float32Array,
  b: Float32Array,
  rank: number,
  scaling: number,
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
      result[row * columns + column] = weight[row * columns + column]! + update[column]!
    }
  }
  return result
}
