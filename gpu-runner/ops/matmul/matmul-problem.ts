// A product as it is asked for, the checks of its shapes, and what the kernels' dispatchers then see.
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import type { ProductPrecision } from "#shared/formats/weights/product-precision.ts"
import { expectDistinct, expectShape, matrixShape } from "../expect-shape.ts"
import { type MatrixOperand, operandShape, operandTensors, type WholeOperand } from "./quantised-weight.ts"

/** A second product of small inner size r, added in the same pass: LoRA's half of a linear layer. */
export interface LowRankProduct {
  /** [M, r] */
  readonly left: Tensor
  /** [r, N], or [N, r] if the matmul has `transposeB`. */
  readonly right: Tensor
  /** Multiplies this product alone; 1 by default. */
  readonly scale?: number
}

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

/** A checked call of matmul. */
export interface MatmulProblem {
  readonly a: Tensor
  readonly b: WholeOperand
  readonly out: Tensor
  readonly rows: number
  readonly columns: number
  readonly depth: number
  readonly transposeA: boolean
  readonly transposeB: boolean
  readonly accumulate: boolean
  readonly scale: number
  readonly precision: ProductPrecision
  readonly lowRank?: LowRankProduct | undefined
  /** Where the outputs of layers that are stored one after the other in `b` lie one after the other too: their columns, at most three. */
  readonly partColumns?: readonly number[] | undefined
}

type Sizes = Pick<MatmulProblem, "rows" | "columns" | "depth">

/** Rows, columns and depth of a call of matmul, if its operands and options fit together. Errors: ShapeMismatch. */
export function matmulSizes(a: Tensor, b: MatrixOperand, options: MatmulOptions): Sizes {
  const { transposeA = false, transposeB = false } = options
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
  const sizes = { rows, columns, depth }
  if (options.lowRank) expectLowRank(options.lowRank, sizes, options)
  if (options.accumulate && !options.out) throw new ShapeMismatch("matmul", "accumulate needs `out`")
  return sizes
}

function expectLowRank({ left, right }: LowRankProduct, { rows, columns }: Sizes, options: MatmulOptions) {
  const [, rank] = matrixShape("matmul", "lowRank.left", left)
  expectShape("matmul", "lowRank.left", left, [rows, rank])
  expectShape("matmul", "lowRank.right", right, options.transposeB ? [columns, rank] : [rank, columns])
  if (options.out) expectDistinct("matmul", options.out, [left, right])
  if (options.transposeA) throw new ShapeMismatch("matmul", "lowRank cannot be combined with transposeA")
}
