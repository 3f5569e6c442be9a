// The three families of attention kernels: which one a context takes, what each is given (tensors, parameters), and the layout of laid-out
// rows on the device, with what each query row sees and the family's own lists of tiles.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { uploaded } from "#gpu-runner/device/transfer.ts"
import { hasCheapBroadcast } from "../choose-variant.ts"
import { type HostAttentionLayout, keyReaders, queryRanges } from "./attention-layout.ts"
import {
  attentionTiles,
  keyTilesOfQueryTiles,
  queryTilesOfKeyTiles,
  type TileSize,
  tilesByKeyTile,
  tilesByQueryTile,
} from "./attention-tiles.ts"

/**
 * `tiled`: register tiles spread by subgroup broadcasts, for software adapters. `workgroup`: tiles in workgroup memory, for GPUs.
 * `portable`: one invocation a row, the reference; it also serves other software adapters, on which barriers are slow.
 */
export type AttentionKernels = "tiled" | "workgroup" | "portable"

/** By what the adapter can do. */
export function attentionKernels(context: OpContext): AttentionKernels {
  if (context.kernels === "portable") return "portable"
  if (hasCheapBroadcast(context)) return "tiled"
  return context.kernels === "gpu" || context.gpu.lane !== "software" ? "workgroup" : "portable"
}

export interface AttentionParams extends Readonly<Record<string, number>> {
  /** Q and T. */
  readonly query_count: number
  readonly key_count: number
  readonly head_count: number
  readonly group_size: number
  readonly head_lane4s: number
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

export interface AttentionBackwardTensors extends Omit<AttentionForwardTensors, "output" | "logSumExp"> {
  readonly dOutput: Tensor
  /** [Q · H, 2]: log-sum-exp, and dOutput · output. */
  readonly statistics: Tensor
  readonly dQuery: Tensor
  readonly dKey: Tensor
  readonly dValue: Tensor
}

/** Rows of both sides of a tiled kernel's tile; the same number stands in common/tile_subgroup8.wgsl. */
export const ATTENTION_TILE_SIZE = 32
/** Rows that a workgroup kernel owns, and rows that pass by; the same numbers stand in common/attention_workgroup.wgsl. */
export const WORKGROUP_OWN_ROWS = 64
const WORKGROUP_PASSING_ROWS = 32

interface AttentionLists<Kernels extends AttentionKernels> {
  readonly kernels: Kernels
  /** u32 [Q, 4]: prefix start, prefix end, own start, own end. Query row i sees the keys [prefix start, prefix end) ∪ [own start, own end). */
  readonly ranges: Tensor
  readonly queryCount: number
  /** T: keys and values have a row for every token. */
  readonly tokenCount: number
}

export interface PortableAttentionLists extends AttentionLists<"portable"> {
  /** u32 [2 Q + T, 2]: the ranges again, then keyReaders. */
  readonly rangesAndReaders: Tensor
}

export interface TiledAttentionLists extends AttentionLists<"tiled"> {
  /** u32 [N, 2], see tilesByQueryTile, and [query tiles + 1], where each query tile begins in it. */
  readonly tilesOfQueries: Tensor
  readonly queryTileStarts: Tensor
  /** The same by key tile, see tilesByKeyTile; the starts on the host too. */
  readonly tilesOfKeys: Tensor
  readonly keyTileStarts: Tensor
  readonly hostKeyTileStarts: Uint32Array
}

export interface WorkgroupAttentionLists extends AttentionLists<"workgroup"> {
  /** u32, see keyTilesOfQueryTiles. */
  readonly keyTiles: Tensor
  /** u32: the ranges again, then queryTilesOfKeyTiles. */
  readonly rangesAndQueryTiles: Tensor
}

/** The layout on the device, for the kernels of the context that it was uploaded with. */
export type AttentionLayout = PortableAttentionLists | TiledAttentionLists | WorkgroupAttentionLists

/** Uploads a layout, and the tiles that follow from it, into the open scope. */
export function uploadAttentionLayout(context: OpContext, host: HostAttentionLayout): AttentionLayout {
  const ranges = queryRanges(host)
  const common = {
    ranges: uploaded(context, ranges, [host.queries.length, 4], "attention.ranges"),
    queryCount: host.queries.length,
    tokenCount: host.tokenCount,
  }
  const kernels = attentionKernels(context)
  if (kernels === "tiled") return { ...common, kernels, ...tiledLists(context, ranges, host.tokenCount) }
  if (kernels === "workgroup") return { ...common, kernels, ...workgroupLists(context, ranges, host.tokenCount) }
  const rangesAndReaders = pairs(context, joined(ranges, keyReaders(host)), "ranges_and_readers")
  return { ...common, kernels, rangesAndReaders }
}

function tiledLists(context: OpContext, ranges: Uint32Array, keyCount: number) {
  const size = { queries: ATTENTION_TILE_SIZE, keys: ATTENTION_TILE_SIZE }
  const tiles = attentionTiles(ranges, keyCount, size)
  return {
    tilesOfQueries: pairs(context, tilesByQueryTile(tiles), "tiles_of_queries"),
    queryTileStarts: list(context, tiles.queryTileStarts, "query_tile_starts"),
    tilesOfKeys: pairs(context, tilesByKeyTile(tiles), "tiles_of_keys"),
    keyTileStarts: list(context, tiles.keyTileStarts, "key_tile_starts"),
    hostKeyTileStarts: tiles.keyTileStarts,
  }
}

function workgroupLists(context: OpContext, ranges: Uint32Array, keyCount: number) {
  const tiles = (size: TileSize) => attentionTiles(ranges, keyCount, size)
  const ownQueries = tiles({ queries: WORKGROUP_OWN_ROWS, keys: WORKGROUP_PASSING_ROWS })
  const ownKeys = tiles({ queries: WORKGROUP_PASSING_ROWS, keys: WORKGROUP_OWN_ROWS })
  return {
    keyTiles: list(context, keyTilesOfQueryTiles(ownQueries), "key_tiles"),
    rangesAndQueryTiles: list(context, joined(ranges, queryTilesOfKeyTiles(ownKeys)), "ranges_and_query_tiles"),
  }
}

function pairs(context: OpContext, values: Uint32Array, name: string): Tensor {
  return uploaded(context, values, [values.length / 2, 2], `attention.${name}`)
}

function list(context: OpContext, values: Uint32Array, name: string): Tensor {
  return uploaded(context, values, [values.length], `attention.${name}`)
}

// Kernels that own keys read the ranges and a list of their own through one binding: WebGPU grants eight.
function joined(ranges: Uint32Array, values: Uint32Array): Uint32Array {
  const both = new Uint32Array(ranges.length + values.length)
  both.set(ranges)
  both.set(values, ranges.length)
  return both
}
