// Reference: a LoRA adapter folded into the weights, and the gradients of its matrices from the full weight's.
import type { DecoderWeights } from "./decoder.ts"
import { matmul } from "./matmul.ts"

/** Gradients of a LoRA module's matrices from its full weight's: dA = s·Bᵀ dW, dB = s·dW Aᵀ, all row-major. */
export function loraGradients(
  dWeight: Float64Array,
  { a, b }: { readonly a: ArrayLike<number>; readonly b: ArrayLike<number> },
  rank: number,
  scaling: number,
): { readonly a: Float64Array; readonly b: Float64Array } {
  const inSize = a.length / rank
  const outSize = b.length / rank
  const matrixA = { shape: [rank, inSize], data: Float64Array.from(a) }
  const matrixB = { shape: [outSize, rank], data: Float64Array.from(b) }
  const gradient = { shape: [outSize, inSize], data: dWeight.map((value) => scaling * value) }
  return {
    a: matmul(matrixB, gradient, { transposeA: true }).data,
    b: matmul(gradient, matrixA, { transposeB: true }).data,
  }
}

/** Weights with the adapter folded in: W + s·B A for every adapted module. */
export function withAdapter(
  weights: DecoderWeights,
  adapter: {
    readonly modules: ReadonlyMap<string, { readonly a: ArrayLike<number>; readonly b: ArrayLike<number> }>
    readonly rank: number
    readonly scaling: number
  },
): DecoderWeights {
  const folded = new Map(weights)
  for (const [path, { a, b }] of adapter.modules) {
    const { rank, scaling } = adapter
    const name = `${path}.weight`
    const update = matmul(
      { shape: [b.length / rank, rank], data: Float64Array.from(b) },
      { shape: [rank, a.length / rank], data: Float64Array.from(a) },
    )
    const values = weights.get(name)!
    folded.set(
      name,
      update.data.map((value, i) => values[i]! + scaling * value),
    )
  }
  return folded
}
