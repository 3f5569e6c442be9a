// Which of the three families of attention kernels a context takes, and the tiles that each works on.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { TileSize } from "./attention-tiles.ts"
import { hasCheapBroadcast } from "./choose-variant.ts"

/**
 * `tiled`: register tiles spread by subgroup broadcasts, for software adapters. `portable`: one invocation a row, the reference.
 */
export type AttentionKernels = "tiled" | "portable"

/** The same number stands in common/tile_subgroup8.wgsl. */
export const ATTENTION_TILE_SIZE = 32
const TILE: TileSize = { queries: ATTENTION_TILE_SIZE, keys: ATTENTION_TILE_SIZE }

/** By what the adapter can do; the portable kernels need the least. */
export function attentionKernels(context: OpContext): AttentionKernels {
  return hasCheapBroadcast(context) ? "tiled" : "portable"
}

/** The tiles of kernels that own query rows, and of those that own keys. */
export function attentionTileSizes(_context: OpContext): { readonly ofQueries: TileSize; readonly ofKeys: TileSize } {
  return { ofQueries: TILE, ofKeys: TILE }
}
