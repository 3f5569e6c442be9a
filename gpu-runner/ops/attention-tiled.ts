// Attention in 32 × 32 tiles for adapters with subgroups of 8 lanes: scores are kept per tile, and every product of attention becomes
// a product of register tiles. Measured against one invocation per query: see LOG.md. Called by attention.ts only.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Kernel, KernelVariant } from "#gpu-runner/device/kernel.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { attentionTileColumnsKernel } from "#gpu-runner/kernels/attention_tile_columns.ts"
import { attentionTileGradientsKernel } from "#gpu-runner/kernels/attention_tile_gradients.ts"
import { attentionTileLogSumExpKernel } from "#gpu-runner/kernels/attention_tile_log_sum_exp.ts"
import { attentionTileRowsKernel } from "#gpu-runner/kernels/attention_tile_rows.ts"
import { attentionTileScoresKernel } from "#gpu-runner/kernels/attention_tile_scores.ts"
import type { AttentionLayout } from "./attention-layout.ts"
import { ATTENTION_TILE_SIZE } from "./attention-tiles.ts"
import { hasCheapBroadcast, softCapVariant } from "./choose-variant.ts"

/** Parameters of the portable kernels, and the first of the tiled ones'. */
export interface AttentionParams extends Readonly<Record<string, number>> {
  /** Q and T. */
  readonly query_count: number
  readonly key_count: number
  readonly head_count: number
  readonly group_size: number
  readonly head_packs: number
  readonly scale: number
  /** Of the scores; 0 where there is none. */
  readonly soft_cap: number
}

export interface AttentionForwardTensors {
  readonly query: Tensor
  readonly key: Tensor
  readonly value: Tensor
  readonly output: Tensor
  readonly logSumExp: Tensor
}

export interface AttentionBackwardTensors {
  readonly query: Tensor
  readonly key: Tensor
  readonly value: Tensor
  readonly dOutput: Tensor
  /** [Q · H, 2]: log-sum-exp and dOutput · output. */
  readonly statistics: Tensor
  readonly dQuery: Tensor
  readonly dKey: Tensor
  readonly dValue: Tensor
}

const TILE_BYTES = ATTENTION_TILE_SIZE * ATTENTION_TILE_SIZE * 4
/** Tile matrices alive at once; more heads are worked off in groups. */
const MATRICES_BYTES = 64 * 2 ** 20
/** The backward pass keeps two matrices a tile. */
const MATRICES_PER_HEAD = 2

function tileCountOf(layout: AttentionLayout): number {
  return layout.members.byteLength / 4
}

/** Whether the adapter has 8-lane subgroups, and the tiles of one key-value head fit into one binding. */
export function canTileAttention(context: OpContext, layout: AttentionLayout, params: AttentionParams): boolean {
  if (!hasCheapBroadcast(context)) return false
  const groupBytes = MATRICES_PER_HEAD * params.group_size * tileCountOf(layout) * TILE_BYTES
  return groupBytes <= context.gpu.limits.maxStorageBufferBindingSize
}

// Calls `body` for as many heads at a time as the matrices' budget allows; always whole groups of one key-value head.
function forEachHeads(
  layout: AttentionLayout,
  params: AttentionParams,
  matricesPerHead: number,
  body: (params: AttentionParams, heads: number) => void,
) {
  const groupBytes = matricesPerHead * params.group_size * tileCountOf(layout) * TILE_BYTES
  const step = Math.max(1, Math.floor(MATRICES_BYTES / groupBytes)) * params.group_size
  for (let firstHead = 0; firstHead < params.head_count; firstHead += step) {
    const heads = Math.min(step, params.head_count - firstHead)
    const tiling = { tile_count: tileCountOf(layout), first_head: firstHead, heads, tile_rows: ATTENTION_TILE_SIZE }
    body({ ...params, ...tiling, first_matrix: 0 }, heads)
  }
}

function dispatch(
  context: OpContext,
  kernel: Kernel,
  variant: KernelVariant,
  tensors: readonly Tensor[],
  params: AttentionParams,
  workgroupCount: number,
) {
  context.recorder.dispatch({ kernel, variant, tensors, params, workgroupCount })
}

// Tiles of 32 rows × 32 channels that cover one head.
function outputTiles(rowCount: number, { head_packs }: AttentionParams): number {
  return Math.ceil(rowCount / ATTENTION_TILE_SIZE) * Math.ceil((4 * head_packs) / ATTENTION_TILE_SIZE)
}

/** Writes output and logSumExp. */
export function tiledAttention(
  context: OpContext,
  { query, key, value, output, logSumExp }: AttentionForwardTensors,
  layout: AttentionLayout,
  allParams: AttentionParams,
): void {
  const { tiles, queryTileStarts, ranges } = layout
  forEachHeads(layout, allParams, 1, (params, heads) => {
    const workgroups = heads * tileCountOf(layout)
    context.memory.withScope(() => {
      const scores = context.memory.allocate([workgroups, TILE_BYTES / 4], "f32", "attention.scores")
      const scoresKernel = attentionTileScoresKernel
      dispatch(
        context,
        scoresKernel,
        softCapVariant(scoresKernel, "tile", params.soft_cap > 0),
        [query, key, ranges, tiles, scores],
        params,
        workgroups,
      )
      const sumKernel = attentionTileLogSumExpKernel
      const sumWorkgroups = Math.ceil((heads * params.query_count) / 64)
      dispatch(context, sumKernel, sumKernel.variants.only, [scores, queryTileStarts, logSumExp], params, sumWorkgroups)
      const rowsKernel = attentionTileRowsKernel
      const tensors = [scores, logSumExp, value, tiles, queryTileStarts, output]
      dispatch(
        context,
        rowsKernel,
        rowsKernel.variants.exponentiate,
        tensors,
        params,
        heads * outputTiles(params.query_count, params),
      )
      return undefined
    })
  })
}

/** Writes dQuery, dKey and dValue. */
export function tiledAttentionBackward(
  context: OpContext,
  { query, key, value, dOutput, statistics, dQuery, dKey, dValue }: AttentionBackwardTensors,
  layout: AttentionLayout,
  allParams: AttentionParams,
): void {
  const { tiles, queryTileStarts, keyTileStarts, members, ranges } = layout
  forEachHeads(layout, allParams, MATRICES_PER_HEAD, (weights, heads) => {
    const workgroups = heads * tileCountOf(layout)
    const dScores = { ...weights, first_matrix: heads }
    context.memory.withScope(() => {
      const shape = [MATRICES_PER_HEAD * workgroups, TILE_BYTES / 4]
      const matrices = context.memory.allocate(shape, "f32", "attention.matrices")
      const gradients = attentionTileGradientsKernel
      const inputs = [query, key, value, dOutput, statistics, ranges, tiles, matrices]
      dispatch(context, gradients, softCapVariant(gradients, "tile", weights.soft_cap > 0), inputs, weights, workgroups)
      const rows = attentionTileRowsKernel
      const rowTensors = [matrices, statistics, key, tiles, queryTileStarts, dQuery]
      dispatch(
        context,
        rows,
        rows.variants.plain,
        rowTensors,
        dScores,
        heads * outputTiles(weights.query_count, weights),
      )
      const columns = attentionTileColumnsKernel
      const columnWorkgroups = (heads / weights.group_size) * outputTiles(weights.key_count, weights)
      const lists = [tiles, keyTileStarts, members]
      const only = columns.variants.only
      dispatch(context, columns, only, [matrices, query, ...lists, dKey], dScores, columnWorkgroups)
      dispatch(context, columns, only, [matrices, dOutput, ...lists, dValue], weights, columnWorkgroups)
      return undefined
    })
  })
}
