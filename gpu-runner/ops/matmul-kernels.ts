// Which kernel multiplies two matrices: register tiles of an 8-lane subgroup where the adapter and the row lengths allow them,
// a narrow form of these for products with a side of at most 16, else one of the two kernels for any size. Called by matmul.ts only.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { matmulNaiveKernel } from "#gpu-runner/kernels/matmul_naive.ts"
import { matmulNarrowSubgroupKernel, narrowVariantName } from "#gpu-runner/kernels/matmul_narrow_subgroup.ts"
import { matmulSubgroupKernel } from "#gpu-runner/kernels/matmul_subgroup.ts"
import { matmulWorkgroupKernel } from "#gpu-runner/kernels/matmul_workgroup.ts"
import { hasCheapBroadcast } from "./choose-variant.ts"

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
  readonly b: Tensor
  readonly out: Tensor
  readonly rows: number
  readonly columns: number
  readonly depth: number
  readonly transposeA: boolean
  readonly transposeB: boolean
  readonly accumulate: boolean
  readonly scale: number
  readonly lowRank?: LowRankProduct | undefined
}

const TILE = 32
const WORKGROUP_TILE = 64
const NARROW_COLUMNS = 8
const WIDEST_NARROW = 16

/** Records the product with the fastest kernel that can do it. */
export function dispatchMatmul(context: OpContext, problem: MatmulProblem): void {
  const { lowRank } = problem
  const isTiled = canUseSubgroupTiles(context, problem)
  if (lowRank && !(isTiled && rankOf(lowRank) % 4 === 0)) dispatchInTwoPasses(context, problem, lowRank)
  else if (!isTiled) dispatchAnySize(context, problem)
  else if (lowRank || Math.min(problem.rows, problem.columns) > WIDEST_NARROW) dispatchSubgroup(context, problem)
  else dispatchNarrow(context, problem)
}

function dispatchInTwoPasses(context: OpContext, problem: MatmulProblem, lowRank: LowRankProduct) {
  const { left: a, right: b, scale: lowScale = 1 } = lowRank
  const scale = problem.scale * lowScale
  dispatchMatmul(context, { ...problem, lowRank: undefined })
  dispatchMatmul(context, { ...problem, lowRank: undefined, a, b, depth: rankOf(lowRank), scale, accumulate: true })
}

function rankOf({ left }: LowRankProduct): number {
  return left.shape[1]!
}

// The subgroup kernels are built for 8 lanes, and read every stored row in packs of four.
function canUseSubgroupTiles(context: OpContext, problem: MatmulProblem): boolean {
  if (!hasCheapBroadcast(context)) return false
  const { rows, columns, depth, transposeA, transposeB } = problem
  return columns % 4 === 0 && (transposeA ? rows : depth) % 4 === 0 && (transposeB ? depth : columns) % 4 === 0
}

function dispatchSubgroup(context: OpContext, problem: MatmulProblem) {
  const { a, b, out, rows, columns, depth, lowRank } = problem
  context.recorder.dispatch({
    kernel: matmulSubgroupKernel,
    variant: matmulSubgroupKernel.variants[subgroupVariant(problem)],
    // Without a second product its bindings are filled with the first's and not read.
    tensors: [a, b, lowRank?.left ?? a, lowRank?.right ?? b, out],
    params: {
      rows,
      columns,
      depth,
      low_depth: lowRank ? rankOf(lowRank) : 0,
      accumulate: Number(problem.accumulate),
      scale: problem.scale,
      low_scale: lowRank?.scale ?? 1,
    },
    workgroupCount: Math.ceil(rows / TILE) * Math.ceil(columns / TILE),
  })
}

function subgroupVariant(problem: MatmulProblem): keyof typeof matmulSubgroupKernel.variants {
  if (!problem.lowRank) return layoutName(problem)
  return problem.transposeB ? "transposeBLowRank" : "plainLowRank"
}

function layoutName({ transposeA, transposeB }: MatmulProblem): keyof typeof matmulWorkgroupKernel.variants {
  if (transposeA) return transposeB ? "transposeBoth" : "transposeA"
  return transposeB ? "transposeB" : "plain"
}

// A narrow second operand is what the kernel is built for; a narrow first one is the second of the transposed product.
function dispatchNarrow(context: OpContext, problem: MatmulProblem) {
  const { a, b, transposeA, transposeB, rows, columns } = problem
  if (columns <= WIDEST_NARROW) return dispatchNarrowColumns(context, problem, false)
  const flipped = { a: b, b: a, transposeA: !transposeB, transposeB: !transposeA, rows: columns, columns: rows }
  dispatchNarrowColumns(context, { ...problem, ...flipped }, true)
}

function dispatchNarrowColumns(context: OpContext, problem: MatmulProblem, transposeOutput: boolean) {
  const { a, b, out, rows, columns, depth, transposeA, transposeB, accumulate, scale } = problem
  const isWide = columns > NARROW_COLUMNS
  const name = narrowVariantName({ transposeA, transposeB, transposeOutput, isWide })
  context.recorder.dispatch({
    kernel: matmulNarrowSubgroupKernel,
    variant: matmulNarrowSubgroupKernel.variants[name]!,
    tensors: [a, b, out],
    params: { rows, columns, depth, accumulate: Number(accumulate), scale },
    workgroupCount: Math.ceil(rows / TILE),
  })
}

// For any sizes: through workgroup memory on GPUs; without it on software adapters, where a barrier costs more than it saves.
function dispatchAnySize(context: OpContext, problem: MatmulProblem) {
  const { a, b, out, rows, columns, depth, transposeA, transposeB, accumulate, scale } = problem
  const isForGpu = context.kernels === "gpu" || (context.kernels === "tuned" && context.gpu.lane === "gpu")
  const tile = isForGpu ? WORKGROUP_TILE : TILE
  context.recorder.dispatch({
    kernel: isForGpu ? matmulWorkgroupKernel : matmulNaiveKernel,
    variant: isForGpu ? matmulWorkgroupKernel.variants[layoutName(problem)] : matmulNaiveKernel.variants.only,
    tensors: [a, b, out],
    params: {
      rows,
      columns,
      depth,
      a_row_stride: transposeA ? 1 : depth,
      a_depth_stride: transposeA ? rows : 1,
      b_depth_stride: transposeB ? 1 : columns,
      b_column_stride: transposeB ? depth : 1,
      accumulate: Number(accumulate),
      scale,
    },
    workgroupCount: Math.ceil(rows / tile) * Math.ceil(columns / tile),
  })
}
