// Attention in 32 × 32 tiles for adapters with subgroups of 8 lanes: every product of attention is a product of register tiles. The
// forward pass stores no scores at all; the backward pass stores the weights and score gradients of a stretch of key tiles at a time,
// within a fixed budget at any length. Measured: see LOG.md. Called by attention.ts only.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { type KernelVariant, loadKernel } from "#gpu-runner/device/kernel.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { softCapVariants } from "#gpu-runner/kernels/variants.ts"
import { softCapVariant } from "../choose-variant.ts"
import {
  ATTENTION_TILE_SIZE,
  type AttentionBackwardTensors,
  type AttentionForwardTensors,
  type AttentionParams,
  type TiledAttentionLists,
} from "./attention-lists.ts"

const attentionTileGradientsKernel = loadKernel(
  "attention_tile_gradients",
  softCapVariants({ tile: { needsSubgroups: true } }),
)
const attentionTileKeyGradientKernel = loadKernel("attention_tile_key_gradient", { only: { needsSubgroups: true } })
const attentionTileQueryGradientKernel = loadKernel("attention_tile_query_gradient", { only: { needsSubgroups: true } })

/** Of channels that one register tile has across. */
const LANE4S_PER_BLOCK = 8
const MATRIX_BYTES = ATTENTION_TILE_SIZE * ATTENTION_TILE_SIZE * 4
/** Weights, and gradients of scores. */
const MATRICES_PER_TILE = 2
/** Matrices alive at once, unless a single key tile has more. */
const MATRICES_BYTES = 64 * 2 ** 20

// Of a dispatch that works on all heads and keys, and keeps no matrices.
const WHOLE = {
  first_head: 0,
  first_key_tile: 0,
  key_tiles: 0,
  first_matrix: 0,
  matrix_count: 0,
  skipped_heads: 0,
  accumulate: 0,
  tile_rows: ATTENTION_TILE_SIZE,
}

/** By head size: the forward kernel's variant, and the channels whose sums a workgroup holds. */
const FORWARD_SIZES = [
  { largestHead: 32, name: "narrow", channels: 32 },
  { largestHead: 64, name: "wide", channels: 64 },
  { largestHead: 256, name: "large", channels: 128 },
] as const

const attentionTileForwardKernel = loadKernel("attention_tile_forward", softCapVariants(forwardVariants()))

function forwardVariants(): Record<string, KernelVariant> {
  const variants = FORWARD_SIZES.map(({ name, channels, largestHead }) => {
    const constants = { BLOCKS: channels / (4 * LANE4S_PER_BLOCK), IS_LARGE: Number(largestHead > 64) }
    return [name, { needsSubgroups: true, constants }] as const
  })
  return Object.fromEntries(variants)
}

/** Writes output and logSumExp. */
export function tiledAttention(
  context: OpContext,
  { query, key, value, output, logSumExp }: AttentionForwardTensors,
  { ranges, tilesOfQueries, queryTileStarts, queryCount }: TiledAttentionLists,
  params: AttentionParams,
): void {
  const kernel = attentionTileForwardKernel
  const { name, channels } = FORWARD_SIZES.find(({ largestHead }) => 4 * params.head_lane4s <= largestHead)!
  const slices = Math.ceil((4 * params.head_lane4s) / channels)
  context.recorder.dispatch({
    kernel,
    variant: softCapVariant(kernel, name, params.soft_cap > 0),
    tensors: [query, key, value, ranges, tilesOfQueries, queryTileStarts, output, logSumExp],
    params: { ...params, ...WHOLE, heads: params.head_count },
    workgroupCount: params.head_count * Math.ceil(queryCount / ATTENTION_TILE_SIZE) * slices,
  })
}

/** Some key-value heads, and of those some key tiles, whose matrices are alive together. */
export interface AttentionStretch {
  readonly firstKeyHead: number
  readonly keyHeads: number
  readonly firstKeyTile: number
  readonly keyTiles: number
}

/**
 * Cuts key-value heads × key tiles into stretches of at most `budget` matrices (but at least one key tile): whole heads where one fits,
 * else the key tiles of one head after another. `keyTileStarts` [key tiles + 1] counts the tiles before each, a head's matrices `groupSize` times those.
 */
export function attentionStretches(
  keyTileStarts: Uint32Array,
  keyHeadCount: number,
  groupSize: number,
  budget: number,
): AttentionStretch[] {
  const keyTiles = keyTileStarts.length - 1
  const keyHeads = Math.min(keyHeadCount, Math.floor(budget / (groupSize * keyTileStarts[keyTiles]!)))
  const stretches: AttentionStretch[] = []
  for (let firstKeyHead = 0; firstKeyHead < keyHeadCount; firstKeyHead += Math.max(1, keyHeads)) {
    if (keyHeads > 0) {
      const left = Math.min(keyHeads, keyHeadCount - firstKeyHead)
      stretches.push({ firstKeyHead, keyHeads: left, firstKeyTile: 0, keyTiles })
      continue
    }
    for (let first = 0, end = 1; first < keyTiles; first = end, end = first + 1) {
      const fits = (to: number) => groupSize * (keyTileStarts[to]! - keyTileStarts[first]!) <= budget
      while (end < keyTiles && fits(end + 1)) end++
      stretches.push({ firstKeyHead, keyHeads: 1, firstKeyTile: first, keyTiles: end - first })
    }
  }
  return stretches
}

/** Writes dQuery, dKey and dValue. `matricesBytes` bounds what is held between the two kernels. */
export function tiledAttentionBackward(
  context: OpContext,
  tensors: AttentionBackwardTensors,
  layout: TiledAttentionLists,
  params: AttentionParams,
  matricesBytes = MATRICES_BYTES,
): void {
  const budget = Math.floor(matricesBytes / (MATRICES_PER_TILE * MATRIX_BYTES))
  const keyHeadCount = params.head_count / params.group_size
  const stretches = attentionStretches(layout.hostKeyTileStarts, keyHeadCount, params.group_size, budget).map(
    (stretch) => stretchParams(stretch, layout, params),
  )
  context.memory.withScope(() => {
    const most = Math.max(...stretches.map(({ heads, matrix_count }) => heads * matrix_count))
    const shape = [MATRICES_PER_TILE * most, MATRIX_BYTES / 4]
    const matrices = context.memory.allocate(shape, "f32", "attention.matrices")
    for (const stretch of stretches) backwardStretch(context, { ...tensors, matrices }, layout, stretch)
    return undefined
  })
}

function stretchParams(
  { firstKeyHead, keyHeads, firstKeyTile, keyTiles }: AttentionStretch,
  { hostKeyTileStarts: keyTileStarts }: TiledAttentionLists,
  params: AttentionParams,
) {
  return {
    ...params,
    first_head: firstKeyHead * params.group_size,
    heads: keyHeads * params.group_size,
    first_key_tile: firstKeyTile,
    key_tiles: keyTiles,
    first_matrix: keyTileStarts[firstKeyTile]!,
    matrix_count: keyTileStarts[firstKeyTile + keyTiles]! - keyTileStarts[firstKeyTile]!,
    skipped_heads: 0,
    accumulate: firstKeyTile > 0 ? 1 : 0,
    tile_rows: ATTENTION_TILE_SIZE,
  }
}

function backwardStretch(
  context: OpContext,
  tensors: AttentionBackwardTensors & { readonly matrices: Tensor },
  { ranges, tilesOfKeys, keyTileStarts, tilesOfQueries, queryTileStarts }: TiledAttentionLists,
  weights: ReturnType<typeof stretchParams>,
): void {
  const { query, key, value, dOutput, statistics, matrices, dQuery, dKey, dValue } = tensors
  const { recorder } = context
  const blocks = Math.ceil(weights.head_lane4s / LANE4S_PER_BLOCK)
  const dScores = { ...weights, skipped_heads: weights.heads }
  const gradients = attentionTileGradientsKernel
  recorder.dispatch({
    kernel: gradients,
    variant: softCapVariant(gradients, "tile", weights.soft_cap > 0),
    tensors: [query, key, value, dOutput, statistics, ranges, tilesOfKeys, matrices],
    params: weights,
    workgroupCount: weights.heads * weights.matrix_count,
  })
  const kernel = attentionTileKeyGradientKernel
  const variant = kernel.variants.only
  const workgroupCount = (weights.heads / weights.group_size) * weights.key_tiles * blocks
  const ofValue = [matrices, dOutput, tilesOfKeys, keyTileStarts, dValue]
  recorder.dispatch({ kernel, variant, tensors: ofValue, params: weights, workgroupCount })
  const ofKey = [matrices, query, tilesOfKeys, keyTileStarts, dKey]
  recorder.dispatch({ kernel, variant, tensors: ofKey, params: dScores, workgroupCount })
  const queryGradient = attentionTileQueryGradientKernel
  recorder.dispatch({
    kernel: queryGradient,
    variant: queryGradient.variants.only,
    tensors: [matrices, key, tilesOfQueries, queryTileStarts, dQuery],
    params: dScores,
    workgroupCount: weights.heads * Math.ceil(weights.query_count / ATTENTION_TILE_SIZE) * blocks,
  })
}
