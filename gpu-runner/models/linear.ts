// A linear layer y = x Wᵀ + s·(x Aᵀ) Bᵀ, forward beside backward. W is frozen (LoRA, arXiv 2106.09685) or trained, never both.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { matmul } from "#gpu-runner/ops/matmul.ts"

/** A weight and, if it is trained, where its gradient is added. */
export interface Weight {
  readonly value: Tensor
  readonly gradient?: Tensor | undefined
}

/** The low-rank update of one linear layer. */
export interface LowRank {
  /** [r, in] */
  readonly a: Weight
  /** [out, r] */
  readonly b: Weight
  /** s = α / r */
  readonly scaling: number
}

export interface Linear {
  /** [out, in] */
  readonly weight: Weight
  readonly lowRank?: LowRank | undefined
}

export interface LinearResult {
  /** [T, out] */
  readonly output: Tensor
  /** x Aᵀ [T, r], kept for the backward pass. */
  readonly projected: Tensor | undefined
}

/** The layer's output for input [T, in]. */
export function linear(context: OpContext, { weight, lowRank }: Linear, input: Tensor): LinearResult {
  if (!lowRank) return { output: matmul(context, input, weight.value, { transposeB: true }), projected: undefined }
  const projected = matmul(context, input, lowRank.a.value, { transposeB: true })
  const update = { left: projected, right: lowRank.b.value, scale: lowRank.scaling }
  return { output: matmul(context, input, weight.value, { transposeB: true, lowRank: update }), projected }
}

/**
 * Adds the gradients of whatever is trained, and the input's gradient to `dInput` [T, in]: a new tensor, or the given one
 * added to. Nothing is returned for `dInput: "unused"`.
 */
export function linearBackward(
  context: OpContext,
  { weight, lowRank }: Linear,
  saved: { readonly input: Tensor; readonly projected: Tensor | undefined; readonly dOutput: Tensor },
  into: Tensor | "new" | "unused" = "new",
): Tensor | undefined {
  const { input, projected, dOutput } = saved
  if (weight.gradient) {
    matmul(context, dOutput, input, { transposeA: true, out: weight.gradient, accumulate: true })
  }
  const dProjected = lowRank && lowRankBackward(context, lowRank, input, projected!, dOutput)
  if (into === "unused") return undefined
  const update = lowRank && { left: dProjected!, right: lowRank.a.value }
  const addition = into === "new" ? {} : { out: into, accumulate: true }
  return matmul(context, dOutput, weight.value, { ...addition, lowRank: update })
}

/** dB += s·dYᵀ(xAᵀ), dA += (s·dY B)ᵀ x; returns s·dY B [T, r]. */
function lowRankBackward(context: OpContext, lowRank: LowRank, input: Tensor, projected: Tensor, dOutput: Tensor) {
  const { a, b, scaling } = lowRank
  const dProjected = matmul(context, dOutput, b.value, { scale: scaling })
  if (b.gradient) {
    matmul(context, dOutput, projected, { transposeA: true, out: b.gradient, accumulate: true, scale: scaling })
  }
  if (a.gradient) matmul(context, dProjected, input, { transposeA: true, out: a.gradient, accumulate: true })
  return dProjected
}
