// Which 32 × 32 tiles of (query, key) a pack's attention has. Pure host code over the ranges of attention-layout.ts.

/** Queries and keys of a tile; the same number stands in common/tile_subgroup8.wgsl. */
export const ATTENTION_TILE_SIZE = 32

/** Lists of the tiles with something visible. */
export interface HostAttentionTiles {
  /** [N, 2]: query tile, key tile; ordered by query tile, then key tile. */
  readonly tiles: Uint32Array
  /** [query tiles + 1], into `tiles`. */
  readonly queryTileStarts: Uint32Array
  /** [key tiles + 1], into `members`. */
  readonly keyTileStarts: Uint32Array
  /** [N]: the tiles of each key tile, in order of their query tiles. */
  readonly members: Uint32Array
}

/** The tiles of a pack from its ranges [T, 4]. */
export function attentionTiles(ranges: Uint32Array): HostAttentionTiles {
  const tokenCount = ranges.length / 4
  const tileCount = Math.ceil(tokenCount / ATTENTION_TILE_SIZE)
  const tiles: number[] = []
  const queryTileStarts = new Uint32Array(tileCount + 1)
  const tilesOfKeys: number[][] = Array.from({ length: tileCount }, () => [])
  for (let queryTile = 0; queryTile < tileCount; queryTile++) {
    for (const keyTile of visibleKeyTiles(ranges, queryTile)) {
      tilesOfKeys[keyTile]!.push(tiles.length / 2)
      tiles.push(queryTile, keyTile)
    }
    queryTileStarts[queryTile + 1] = tiles.length / 2
  }
  const keyTileStarts = new Uint32Array(tileCount + 1)
  tilesOfKeys.forEach((members, keyTile) => {
    keyTileStarts[keyTile + 1] = keyTileStarts[keyTile]! + members.length
  })
  return {
    tiles: Uint32Array.from(tiles),
    queryTileStarts,
    keyTileStarts,
    members: Uint32Array.from(tilesOfKeys.flat()),
  }
}

function visibleKeyTiles(ranges: Uint32Array, queryTile: number): number[] {
  const keyTiles = new Set<number>()
  const addTiles = (from: number, to: number) => {
    if (from >= to) return
    for (let tile = Math.floor(from / ATTENTION_TILE_SIZE); tile * ATTENTION_TILE_SIZE < to; tile++) keyTiles.add(tile)
  }
  const end = Math.min((queryTile + 1) * ATTENTION_TILE_SIZE, ranges.length / 4)
  for (let token = queryTile * ATTENTION_TILE_SIZE; token < end; token++) {
    addTiles(ranges[4 * token]!, ranges[4 * token + 1]!)
    addTiles(ranges[4 * token + 2]!, token + 1)
  }
  return [...keyTiles].sort((left, right) => left - right)
}
