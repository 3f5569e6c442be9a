// Matrix product of row-major f32 matrices, the hot path of every model. Chooses the kernel by adapter and by alignment.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { matmulNaiveKernel } from "#gpu-runner/kernels/matmul_naive.ts"
import { matmulSubgroupKernel } from "#gpu-runner/kernels/matmul_subgroup.ts"
import { fixedSubgroupSize } from "./choose-variant.ts"
import { expectDistinct, expectShape, matrixShape } from "./expect-shape.ts"

export interface MatmulOptions {
  /** `a` is stored [K, M]. */
  readonly transposeA?: boolean
  /** `b` is stored [N, K], as linear layers keep their weights. */
  readonly transposeB?: boolean
  /** Where to write, [M, N]; a new tensor otherwise. */
  readonly out?: Tensor
  /** Adds to `out` instead of overwriting it. */
  readonly accumulate?: boolean
  /** Multiplies the product, not what is accumulated on; 1 by default. */
  readonly scale?: number
}

interface Sizes {
  readonly rows: number
  readonly columns: number
  readonly depth: number
}

const TILE = 32

/**
 * out [M, N] = (accumulate ? out : 0) + scale · A [M, K] B [K, N], f32 accumulation over K in order.
 * Gradients are matmuls too: dA = dOut Bᵀ, dB = Aᵀ dOut. Errors: ShapeMismatch.
 */
export function matmul(context: OpContext, a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  const sizes = matmulSizes(a, b, options)
  const out = options.out ?? context.memory.allocate([sizes.rows, sizes.columns], "f32", "matmul.output")
  expectShape("matmul", "out", out, [sizes.rows, sizes.columns])
  expectDistinct("matmul", out, [a, b])
  if (options.accumulate && !options.out) throw new ShapeMismatch("matmul", "accumulate needs `out`")
  if (canUseSubgroupTiles(context, sizes, options)) dispatchSubgroup(context, a, b, out, sizes, options)
  else dispatchNaive(context, a, b, out, sizes, options)
  return out
}

function matmulSizes(a: Tensor, b: Tensor, { transposeA = false, transposeB = false }: MatmulOptions): Sizes {
  const [aRows, aColumns] = matrixShape("matmul", "a", a)
  const [bRows, bColumns] = matrixShape("matmul", "b", b)
  const [rows, depth] = transposeA ? [aColumns, aRows] : [aRows, aColumns]
  const [bDepth, columns] = transposeB ? [bColumns, bRows] : [bRows, bColumns]
  if (depth !== bDepth) {
    const shown = `a [${a.shape}]${transposeA ? " transposed" : ""}, b [${b.shape}]${transposeB ? " transposed" : ""}`
    throw new ShapeMismatch("matmul", `${shown}: inner sizes ${depth} and ${bDepth} differ (${a.label}, ${b.label})`)
  }
  return { rows, columns, depth }
}

// The subgroup kernel is built for 8 lanes and reads rows in packs of four.
function canUseSubgroupTiles(context: OpContext, { rows, columns, depth }: Sizes, options: MatmulOptions): boolean {
  if (context.kernels === "portable" || fixedSubgroupSize(context) !== 8) return false
  const aRowLength = options.transposeA ? rows : depth
  const bRowLength = options.transposeB ? depth : columns
  return columns % 4 === 0 && aRowLength % 4 === 0 && bRowLength % 4 === 0
}

function dispatchSubgroup(
  context: OpContext,
  a: Tensor,
  b: Tensor,
  out: Tensor,
  { rows, columns, depth }: Sizes,
  { transposeA, transposeB, accumulate, scale = 1 }: MatmulOptions,
) {
  const { plain, transposeB: onlyB, transposeA: onlyA, transposeBoth } = matmulSubgroupKernel.variants
  const variant = transposeA ? (transposeB ? transposeBoth : onlyA) : transposeB ? onlyB : plain
  context.recorder.dispatch({
    kernel: matmulSubgroupKernel,
    variant,
    tensors: [a, b, out],
    params: { rows, columns, depth, accumulate: accumulate ? 1 : 0, scale },
    workgroupCount: Math.ceil(rows / TILE) * Math.ceil(columns / TILE),
  })
}

function dispatchNaive(context: OpContext, a: Tensor, b: Tensor, out: Tensor, sizes: Sizes, options: MatmulOptions) {
  const { rows, columns, depth } = sizes
  context.recorder.dispatch({
    kernel: matmulNaiveKernel,
    variant: matmulNaiveKernel.variants.only,
    tensors: [a, b, out],
    params: {
      rows,
      columns,
      depth,
      a_row_stride: options.transposeA ? 1 : depth,
      a_depth_stride: options.transposeA ? rows : 1,
      b_depth_stride: options.transposeB ? 1 : columns,
      b_column_stride: options.transposeB ? depth : 1,
      accumulate: options.accumulate ? 1 : 0,
      scale: options.scale ?? 1,
    },
    workgroupCount: Math.ceil(rows / TILE) * Math.ceil(columns / TILE),
  })
}
