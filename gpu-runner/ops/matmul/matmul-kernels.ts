// Which kernel multiplies two matrices: register tiles of an 8-lane subgroup where the adapter and the row lengths allow them,
// a narrow form of these for products with a side of at most 16, else one of the two kernels for any size. Called by matmul.ts only.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { type KernelVariant, loadKernel } from "#gpu-runner/device/kernel.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { codedVariantName, matmulCodedSubgroupKernel } from "#gpu-runner/kernels/matmul/matmul_coded_subgroup.ts"
import { fewRowsVariant, matmulFewRowsKernel } from "#gpu-runner/kernels/matmul/matmul_few_rows_subgroup.ts"
import { matmulNarrowSubgroupKernel, narrowVariantName } from "#gpu-runner/kernels/matmul/matmul_narrow_subgroup.ts"
import { hasCheapBroadcast } from "../choose-variant.ts"
import { gpuTiles } from "./matmul-gpu.ts"
import type { LowRankProduct, MatmulProblem } from "./matmul-problem.ts"
import { expand, isCoded } from "./quantised-weight.ts"

const matmulNaiveKernel = loadKernel("matmul_naive")
const matmulSubgroupKernel = loadKernel("matmul_subgroup", {
  plain: layoutVariant(0, 0, 0),
  transposeB: layoutVariant(0, 1, 0),
  transposeA: layoutVariant(1, 0, 0),
  transposeBoth: layoutVariant(1, 1, 0),
  plainLowRank: layoutVariant(0, 0, 1),
  transposeBLowRank: layoutVariant(0, 1, 1),
})

/** A product of two tensors. */
type TensorProblem = MatmulProblem & { readonly b: Tensor }

const TILE = 32
const CODED_TILE_ROWS = 16
const CODED_TILE_COLUMNS = 64
const NARROW_COLUMNS = 8
const WIDEST_NARROW = 16

/** A family of kernels: records the product and answers true, or declines it. */
type Family = (context: OpContext, problem: MatmulProblem) => boolean

/** In order of preference. What none takes as a whole is taken apart; the last family takes any product of two tensors. */
const FAMILIES: readonly Family[] = [
  gpuTiles,
  fewRows,
  subgroupTiles,
  codedSubgroupTiles,
  narrowSubgroupTiles,
  expandedWeight,
  lowRankApart,
  anySize,
]

/** Records the product with the first family that takes it. */
export function dispatchMatmul(context: OpContext, problem: MatmulProblem): void {
  FAMILIES.some((family) => family(context, problem))
}

/** Records a product whose output lies in parts (partColumns); false, and nothing is recorded, where no kernel here puts them so. */
export function dispatchParts(context: OpContext, problem: MatmulProblem): boolean {
  return [fewRows, subgroupTiles, codedSubgroupTiles].some((family) => family(context, problem))
}

/** A coded weight by way of its expansion in f32, which is given back at once. */
function expandedWeight(context: OpContext, problem: MatmulProblem): boolean {
  const { b } = problem
  if (!isCoded(b)) return false
  context.memory.withScope(() => {
    dispatchMatmul(context, { ...problem, b: expand(context, b) })
    return undefined
  })
  return true
}

/** The low-rank product in a pass of its own. */
function lowRankApart(context: OpContext, problem: MatmulProblem): boolean {
  if (!problem.lowRank) return false
  const { left: a, right: b, scale: lowScale = 1 } = problem.lowRank
  const scale = problem.scale * lowScale
  dispatchMatmul(context, { ...problem, lowRank: undefined })
  const depth = rankOf(problem.lowRank)
  dispatchMatmul(context, { ...problem, lowRank: undefined, a, b, depth, scale, accumulate: true })
  return true
}

function rankOf({ left }: LowRankProduct): number {
  return left.shape[1]!
}

// The subgroup kernels are built for 8 lanes, and read every stored row in Lane4s.
function suitsSubgroup(context: OpContext, problem: MatmulProblem): boolean {
  if (!hasCheapBroadcast(context)) return false
  const { rows, columns, depth, transposeA, transposeB } = problem
  return columns % 4 === 0 && (transposeA ? rows : depth) % 4 === 0 && (transposeB ? depth : columns) % 4 === 0
}

/** A step of decoding, in which W is read once for all rows; the low-rank product in a pass of its own, whatever kernels there are. */
function fewRows(context: OpContext, problem: MatmulProblem): boolean {
  const { a, b, out, rows, columns, depth, transposeA, transposeB, accumulate, scale, lowRank } = problem
  if (context.steadyRows !== "few" || transposeA || !transposeB || !suitsSubgroup(context, problem)) return false
  if (isCoded(b) && b.columns % 8 !== 0) return false
  if (lowRank) return lowRankApart(context, problem)
  const variant = fewRowsVariant(isCoded(b) ? b.kind : "f32", rows)
  if (!variant) return false
  const [words, scales] = isCoded(b) ? [b.words, b.scales ?? b.words] : [b, b]
  context.recorder.dispatch({
    kernel: matmulFewRowsKernel,
    variant,
    // What a variant does not read is filled with what it does.
    tensors: [a, words, scales, out],
    params: { rows, columns, depth, accumulate: Number(accumulate), scale, ...partParams(problem) },
    workgroupCount: Math.ceil(columns / TILE),
  })
  return true
}

/** The side that may be narrow: with steady rows the columns alone decide. */
function narrowSide({ steadyRows }: OpContext, { rows, columns }: MatmulProblem): number {
  return steadyRows ? columns : Math.min(rows, columns)
}

/** Tiles of 32 × 32, with the low-rank product inside. */
function subgroupTiles(context: OpContext, problem: MatmulProblem): boolean {
  const { a, b, out, rows, columns, lowRank } = problem
  if (isCoded(b) || !suitsSubgroup(context, problem)) return false
  if (lowRank ? rankOf(lowRank) % 4 !== 0 : narrowSide(context, problem) <= WIDEST_NARROW) return false
  context.recorder.dispatch({
    kernel: matmulSubgroupKernel,
    variant: matmulSubgroupKernel.variants[subgroupVariant(problem)],
    // Without a second product its bindings are filled with the first's and not read.
    tensors: [a, b, lowRank?.left ?? a, lowRank?.right ?? b, out],
    params: tileParams(problem),
    workgroupCount: Math.ceil(rows / TILE) * Math.ceil(columns / TILE),
  })
  return true
}

/** Tiles of 16 × 64 that read coded weights themselves, with the low-rank product inside. */
function codedSubgroupTiles(context: OpContext, problem: MatmulProblem): boolean {
  const { a, b, out, rows, columns, lowRank, transposeA, transposeB } = problem
  if (!isCoded(b) || transposeA || b.columns % 8 !== 0 || !suitsSubgroup(context, problem)) return false
  if (lowRank && rankOf(lowRank) % 4 !== 0) return false
  const name = codedVariantName({ kind: b.kind, transposeB, hasLowRank: lowRank !== undefined })
  context.recorder.dispatch({
    kernel: matmulCodedSubgroupKernel,
    variant: matmulCodedSubgroupKernel.variants[name]!,
    // What a variant does not read is filled with what it does.
    tensors: [a, b.words, b.scales ?? b.words, lowRank?.left ?? a, lowRank?.right ?? a, out],
    params: tileParams(problem),
    workgroupCount: Math.ceil(rows / CODED_TILE_ROWS) * Math.ceil(columns / CODED_TILE_COLUMNS),
  })
  return true
}

/** Where the second and third part of the output's columns begin. */
function partParams({ columns, partColumns: [first = columns, second = columns - first] = [] }: MatmulProblem) {
  return { second_part: first, third_part: first + second }
}

function tileParams(problem: MatmulProblem) {
  const { rows, columns, depth, accumulate, scale, lowRank } = problem
  return {
    ...partParams(problem),
    rows,
    columns,
    depth,
    low_depth: lowRank ? rankOf(lowRank) : 0,
    accumulate: Number(accumulate),
    scale,
    low_scale: lowRank?.scale ?? 1,
  }
}

function layoutVariant(transposeA: 0 | 1, transposeB: 0 | 1, lowRank: 0 | 1): KernelVariant {
  const constants = { TRANSPOSE_A: transposeA, TRANSPOSE_B: transposeB, LOW_RANK: lowRank }
  return { needsSubgroups: true, constants }
}

function subgroupVariant(problem: MatmulProblem): keyof typeof matmulSubgroupKernel.variants {
  if (!problem.lowRank) return layoutName(problem)
  return problem.transposeB ? "transposeBLowRank" : "plainLowRank"
}

function layoutName({
  transposeA,
  transposeB,
}: MatmulProblem): "plain" | "transposeA" | "transposeB" | "transposeBoth" {
  if (transposeA) return transposeB ? "transposeBoth" : "transposeA"
  return transposeB ? "transposeB" : "plain"
}

/** A narrow second operand is what the kernel is built for; a narrow first one is the second of the transposed product. */
function narrowSubgroupTiles(context: OpContext, problem: MatmulProblem): boolean {
  const { a, b, transposeA, transposeB, rows, columns, lowRank } = problem
  if (isCoded(b) || lowRank || !suitsSubgroup(context, problem)) return false
  if (narrowSide(context, problem) > WIDEST_NARROW) return false
  if (columns <= WIDEST_NARROW) {
    dispatchNarrowColumns(context, { ...problem, b }, false)
  } else {
    const flipped = { a: b, b: a, transposeA: !transposeB, transposeB: !transposeA, rows: columns, columns: rows }
    dispatchNarrowColumns(context, { ...problem, ...flipped }, true)
  }
  return true
}

function dispatchNarrowColumns(context: OpContext, problem: TensorProblem, transposeOutput: boolean) {
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

/** Any sizes, without workgroup memory: on software adapters a barrier costs more than it saves. */
function anySize(context: OpContext, problem: MatmulProblem): boolean {
  const { a, b, out, rows, columns, depth, transposeA, transposeB, accumulate, scale } = problem
  if (isCoded(b) || problem.lowRank) return false
  context.recorder.dispatch({
    kernel: matmulNaiveKernel,
    variant: matmulNaiveKernel.variants.only,
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
    workgroupCount: Math.ceil(rows / TILE) * Math.ceil(columns / TILE),
  })
  return true
}
