// Matrix product of row-major matrices, the hot path of every model. Shape checks here; matmul-kernels.ts chooses the kernel.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import type { ProductPrecision } from "#shared/formats/weights/product-precision.ts"
import { expectDistinct, expectShape, matrixShape } from "../expect-shape.ts"
import { dispatchMatmul } from "./matmul-kernels.ts"
import type { LowRankProduct, MatmulProblem } from "./matmul-problem.ts"
import { dispatchRanges } from "./matmul-ranges.ts"
import {
  isBeyondF16,
  isRanged,
  type MatrixOperand,
  operandOf,
  operandRanges,
  operandShape,
  operandTensors,
} from "./quantised-weight.ts"

export type { LowRankProduct } from "./matmul-problem.ts"

export interface MatmulOptions {
  /** `a` is stored [K, M]. */
  readonly transposeA?: boolean
  /** `b` is stored [N, K], as linear layers keep their weights. */
  readonly transposeB?: boolean
  /** Where to write, [M, N]; a new tensor otherwise. */
  readonly out?: Tensor | undefined
  /** Adds to `out` instead of overwriting it. */
  readonly accumulate?: boolean
  /** Multiplies what is added to `out`; 1 by default. */
  readonly scale?: number
  /** Added to the product before scaling; not together with `transposeA`. */
  readonly lowRank?: LowRankProduct | undefined
  /** Whether operands may be rounded to f16; the context's by default. Never of a weight with a magnitude beyond f16's range. */
  readonly precision?: ProductPrecision
}

/**
 * out [M, N] = (accumulate ? out : 0) + scale · (A [M, K] B [K, N] + lowRank), f32 accumulation. `b` may be a frozen
 * weight as it is held, coded or not, in one buffer or in several: the result is that of its expansion in f32. Gradients are matmuls too: dA = dOut Bᵀ, dB = Aᵀ dOut.
 * Errors: ShapeMismatch.
 */
export function matmul(context: OpContext, a: Tensor, b: MatrixOperand, options: MatmulOptions = {}): Tensor {
  const sizes = matmulSizes(a, b, options)
  if (options.lowRank) expectLowRank(options.lowRank, sizes, options)
  if (options.accumulate && !options.out) throw new ShapeMismatch("matmul", "accumulate needs `out`")
  const out = options.out ?? context.memory.allocate([sizes.rows, sizes.columns], "f32", "matmul.output")
  expectShape("matmul", "out", out, [sizes.rows, sizes.columns])
  expectDistinct("matmul", out, [a, ...operandTensors(b)])
  const problem = {
    a,
    out,
    ...sizes,
    transposeA: options.transposeA ?? false,
    transposeB: options.transposeB ?? false,
    accumulate: options.accumulate ?? false,
    scale: options.scale ?? 1,
    lowRank: options.lowRank,
    precision: isBeyondF16(b) ? "f32" : (options.precision ?? context.precision),
  }
  if (isRanged(b)) dispatchRanges(context, problem, operandRanges(b))
  else dispatchMatmul(context, { ...problem, b: operandOf(b) })
  return out
}

type Sizes = Pick<MatmulProblem, "rows" | "columns" | "depth">

function matmulSizes(a: Tensor, b: MatrixOperand, { transposeA = false, transposeB = false }: MatmulOptions): Sizes {
  const [aRows, aColumns] = matrixShape("matmul", "a", a)
  const [bRows, bColumns] = operandShape("matmul", "b", b)
  const [rows, depth] = transposeA ? [aColumns, aRows] : [aRows, aColumns]
  const [bDepth, columns] = transposeB ? [bColumns, bRows] : [bRows, bColumns]
  if (depth !== bDepth) {
    const shown = `a [${a.shape}]${transposeA ? " transposed" : ""}, b [${bRows},${bColumns}]${transposeB ? " transposed" : ""}`
    throw new ShapeMismatch(
      "matmul",
      `${shown}: inner sizes ${depth} and ${bDepth} differ (${a.label}, ${operandTensors(b)[0]!.label})`,
    )
  }
  return { rows, columns, depth }
}

function expectLowRank({ left, right }: LowRankProduct, { rows, columns }: Sizes, options: MatmulOptions) {
  const [, rank] = matrixShape("matmul", "lowRank.left", left)
  expectShape("matmul", "lowRank.left", left, [rows, rank])
  expectShape("matmul", "lowRank.right", right, options.transposeB ? [columns, rank] : [rank, columns])
  if (options.out) expectDistinct("matmul", options.out, [left, right])
  if (options.transposeA) throw new ShapeMismatch("matmul", "lowRank cannot be combined with transposeA")
}
