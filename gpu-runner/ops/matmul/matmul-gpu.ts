// Products on real GPUs: subgroup matrices where the adapter has them and the product may be rounded to f16, else tiles in registers.
// A product with few tiles and a long depth is sliced along it, so that the whole GPU works; the slices are summed in their order.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { type Kernel, type KernelVariant, loadKernel } from "#gpu-runner/device/kernel.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { matmulMatrixKernel, matrixMatmulVariant, matrixTilings } from "#gpu-runner/kernels/matmul/matmul_matrix.ts"
import {
  matmulWorkgroupKernel,
  WORKGROUP_TILES,
  workgroupTileBytes,
  workgroupVariant,
} from "#gpu-runner/kernels/matmul/matmul_workgroup.ts"
import { formName, type MatmulForm } from "#gpu-runner/kernels/matmul/matmul-forms.ts"
import { isForGpu } from "../choose-variant.ts"
import type { MatmulProblem } from "./matmul-problem.ts"
import { isCoded } from "./quantised-weight.ts"

const matmulSlicesKernel = loadKernel("matmul_slices")

/** One way to compute a product. */
export interface MatmulCandidate {
  /** `matrix.128.4x2`, `workgroup.64`, …: what choices are kept by. */
  readonly name: string
  readonly kernel: Kernel
  readonly tile: number
  readonly variant: (form: MatmulForm) => KernelVariant
}

type Sizes = Pick<MatmulProblem, "rows" | "columns" | "depth">

/** Workgroups that keep a large GPU busy: its processors, and a few more to hide memory behind. */
const BUSY_WORKGROUPS = 256
/** Of the smallest tile, whose workgroup is one subgroup: by arithmetic, 256 of these leave a processor 2 of the 64 subgroups it holds. */
const BUSY_SUBGROUPS = 1024
const SUBGROUP_TILE = 32
/** A shorter slice is not worth the pass that sums it. */
const LEAST_SLICE_DEPTH = 512
const MOST_SLICES = 32
/** Where the number of rows must not decide, kernels and slices are chosen as for this many. */
const STEADY_ROWS = 64
/** Every kernel's step divides it. */
const SLICE_UNIT = 64
const SUM_LANES = 64

/** Records the product and answers true; declines where the context takes other kernels, or the operands lie otherwise. */
export function gpuTiles(context: OpContext, problem: MatmulProblem): boolean {
  const form = isForGpu(context) ? formOf(problem) : undefined
  if (!form) return false
  const sizes = context.steadyRows ? { ...problem, rows: STEADY_ROWS } : problem
  dispatchCandidate(context, problem, form, chosenCandidate(context, sizes, form), sizes)
  return true
}

/** How the operands lie; undefined for a coded weight beside rows that are no multiple of four long. */
export function formOf({ b, rows, columns, depth, transposeA, transposeB, lowRank }: MatmulProblem) {
  const rank = lowRank?.left.shape[1] ?? 0
  const rowLengths = [
    transposeA ? rows : depth,
    transposeB ? depth : columns,
    rank,
    lowRank && transposeB ? rank : columns,
  ]
  const isInFours = rowLengths.slice(0, lowRank ? 4 : 2).every((length) => length % 4 === 0)
  if (isCoded(b) && !isInFours) return undefined
  const right = isCoded(b) ? b.kind : isInFours ? "vec4" : "scalar"
  const form: MatmulForm = {
    aAlongDepth: !transposeA,
    bAlongDepth: transposeB,
    hasLowRank: lowRank !== undefined,
    right,
  }
  return form
}

/** What the class of a product is called, whose kernel is chosen once: its form, and its sizes to the nearest power of two. */
export function problemClass({ rows, columns, depth, precision }: MatmulProblem, form: MatmulForm): string {
  const size = (length: number) => 2 ** Math.min(13, Math.max(3, Math.round(Math.log2(length))))
  return `${precision}.${formName(form)}.${size(rows)}x${size(columns)}x${size(depth)}`
}

/** Every kernel that can compute the product, by kind and then by size of tile, larger ones first. */
export function candidatesOf(context: OpContext, problem: MatmulProblem): readonly MatmulCandidate[] {
  const { matrixUnits: units, gpu } = context
  const mayRound = units && problem.precision === "mixed"
  const matrix = (mayRound ? matrixTilings(units, gpu.limits) : []).map(
    (tiling): MatmulCandidate => ({
      name: `matrix.${tiling.tile}.${tiling.fragments}`,
      kernel: matmulMatrixKernel,
      tile: tiling.tile,
      variant: (form) => matrixMatmulVariant({ units: units!, tiling, form }),
    }),
  )
  if (matrix.length > 0) return matrix
  return WORKGROUP_TILES.filter((tile) => workgroupTileBytes(tile) <= gpu.limits.maxComputeWorkgroupStorageSize).map(
    (tile) => ({
      name: `workgroup.${tile}`,
      kernel: matmulWorkgroupKernel,
      tile,
      variant: (form) => workgroupVariant({ tile, form }),
    }),
  )
}

function chosenCandidate(context: OpContext, problem: MatmulProblem, form: MatmulForm): MatmulCandidate {
  const candidates = candidatesOf(context, problem)
  const measured = context.gpu.kernelChoices[problemClass(problem, form)]
  return candidates.find(({ name }) => name === measured) ?? usualCandidate(candidates, problem)
}

/** Without a measurement: the largest tile that is not mostly empty and still keeps the GPU half busy, else the smallest. */
function usualCandidate(candidates: readonly MatmulCandidate[], sizes: Sizes): MatmulCandidate {
  const narrow = Math.min(sizes.rows, sizes.columns)
  const usual = candidates.find((candidate) => {
    const workgroups = tileCount(candidate.tile, sizes) * sliceCount(candidate.tile, sizes)
    return candidate.tile < 2 * narrow && 2 * workgroups >= BUSY_WORKGROUPS
  })
  return usual ?? candidates.at(-1)!
}

function tileCount(tile: number, { rows, columns }: Sizes): number {
  return Math.ceil(rows / tile) * Math.ceil(columns / tile)
}

function sliceCount(tile: number, sizes: Sizes): number {
  const busy = tile === SUBGROUP_TILE ? BUSY_SUBGROUPS : BUSY_WORKGROUPS
  const wanted = Math.floor(busy / tileCount(tile, sizes))
  const most = Math.min(MOST_SLICES, Math.floor(sizes.depth / LEAST_SLICE_DEPTH))
  return Math.max(1, Math.min(wanted, most))
}

/** Records the product with one of its candidates. */
export function dispatchCandidate(
  context: OpContext,
  problem: MatmulProblem,
  form: MatmulForm,
  candidate: MatmulCandidate,
  /** What the slices are chosen for. */
  sizes: Sizes = problem,
): void {
  const { rows, columns, depth, scale, accumulate, out } = problem
  const wanted = sliceCount(candidate.tile, sizes)
  const sliceDepth = wanted === 1 ? depth : Math.ceil(depth / wanted / SLICE_UNIT) * SLICE_UNIT
  const slices = Math.ceil(depth / sliceDepth)
  if (slices === 1) {
    dispatchTiles(context, problem, form, candidate, { slices, sliceDepth })
    return
  }
  context.memory.withScope(() => {
    const partial = context.memory.allocate([slices, rows, columns], "f32", "matmul.slices")
    const inSlices = { ...problem, out: partial, accumulate: false, scale: 1 }
    dispatchTiles(context, inSlices, form, candidate, { slices, sliceDepth })
    context.recorder.dispatch({
      kernel: matmulSlicesKernel,
      variant: matmulSlicesKernel.variants.only,
      tensors: [partial, out],
      params: { size: rows * columns, slices, accumulate: Number(accumulate), scale },
      workgroupCount: Math.ceil((rows * columns) / SUM_LANES),
    })
    return undefined
  })
}

interface Slicing {
  readonly slices: number
  readonly sliceDepth: number
}

function dispatchTiles(
  context: OpContext,
  problem: MatmulProblem,
  form: MatmulForm,
  { kernel, tile, variant }: MatmulCandidate,
  { slices, sliceDepth }: Slicing,
) {
  const { a, b, out, rows, columns, depth, lowRank, accumulate, scale } = problem
  const right: Tensor = isCoded(b) ? b.words : b
  context.recorder.dispatch({
    kernel,
    variant: variant(form),
    // Bindings that a variant does not read are filled with its operands.
    tensors: [a, right, (isCoded(b) ? b.scales : undefined) ?? a, lowRank?.left ?? a, lowRank?.right ?? a, out],
    params: {
      rows,
      columns,
      depth,
      low_depth: lowRank?.left.shape[1] ?? 0,
      slice_depth: sliceDepth,
      accumulate: Number(accumulate),
      scale,
      low_scale: lowRank?.scale ?? 1,
    },
    workgroupCount: tileCount(tile, problem) * slices,
  })
}
