// A product as the kernels' dispatchers see it.
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import type { ProductPrecision } from "#shared/formats/weights/product-precision.ts"
import type { WholeOperand } from "./quantised-weight.ts"

/** A second product of small inner size r, added in the same pass: LoRA's half of a linear layer. */
export interface LowRankProduct {
  /** [M, r] */
  readonly left: Tensor
  /** [r, N], or [N, r] if the matmul has `transposeB`. */
  readonly right: Tensor
  /** Multiplies this product alone; 1 by default. */
  readonly scale?: number
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
}
