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

/** The tiles of a pack from its query rows' ranges [Q, 4] (prefix start, prefix end, own start, own end) over `keyCount` keys. */
export function attentionTiles(ranges: Uint32Array, keyCount: number): HostAttentionTiles {
  const queryTiles = Math.ceil(ranges.length / 4 / ATTENTION_TILE_SIZE)
  const keyTiles = Math.ceil(keyCount / ATTENTION_TILE_SIZE)
  const tiles: number[] = []
  const queryTileStarts = new Uint32Array(queryTiles + 1)
  const tilesOfKeys: number[][] = Array.from({ length: keyTiles }, () => [])
  for (let queryTile = 0; queryTile < queryTiles; queryTile++) {
    for (const keyTile of visibleKeyTiles(ranges, queryTile, keyTiles)) {
      tilesOfKeys[keyTile]!.push(tiles.length / 2)
      tiles.push(queryTile, keyTile)
    }
    queryTileStarts[queryTile + 1] = tiles.length / 2
  }
  const keyTileStarts = new Uint32Array(keyTiles + 1)
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

// In rising order. Marks where stretches of tiles begin and end, so that a long row costs no more a token than a short one.
function visibleKeyTiles(ranges: Uint32Array, queryTile: number, keyTiles: number): number[] {
  const changes = new Int32Array(keyTiles + 1)
  const addTiles = (from: number, to: number) => {
    if (from >= to) return
    changes[Math.floor(from / ATTENTION_TILE_SIZE)]! += 1
    changes[Math.floor((to - 1) / ATTENTION_TILE_SIZE) + 1]! -= 1
  }
  const end = Math.min((queryTile + 1) * ATTENTION_TILE_SIZE, ranges.length / 4)
  for (let row = queryTile * ATTENTION_TILE_SIZE; row < end; row++) {
    addTiles(ranges[4 * row]!, ranges[4 * row + 1]!)
    addTiles(ranges[4 * row + 2]!, ranges[4 * row + 3]!)
  }
  const visible: number[] = []
  for (let tile = 0, covers = 0; tile < keyTiles; tile++) {
    covers += changes[tile]!
    if (covers > 0) visible.push(tile)
  }
  return visible
}
