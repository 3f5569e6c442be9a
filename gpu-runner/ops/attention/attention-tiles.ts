// Which tiles of (query rows, keys) the attention of laid-out rows has. Pure host code over the ranges of attention-layout.ts.

/** Rows of query and key in a tile. */
export interface TileSize {
  readonly queries: number
  readonly keys: number
}

/** The tiles with something visible, twice: by query tile and by key tile. */
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

/** The tiles of laid-out rows from their queries' ranges [Q, 4] (prefix start, prefix end, own start, own end) over `keyCount` keys. */
export function attentionTiles(ranges: Uint32Array, keyCount: number, size: TileSize): HostAttentionTiles {
  const queryTiles = Math.ceil(ranges.length / 4 / size.queries)
  const keyTiles = Math.ceil(keyCount / size.keys)
  const tiles: number[] = []
  const queryTileStarts = new Uint32Array(queryTiles + 1)
  const tilesOfKeys: number[][] = Array.from({ length: keyTiles }, () => [])
  for (let queryTile = 0; queryTile < queryTiles; queryTile++) {
    for (const keyTile of visibleKeyTiles(ranges, queryTile, keyTiles, size)) {
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
function visibleKeyTiles(ranges: Uint32Array, queryTile: number, keyTiles: number, size: TileSize): number[] {
  const changes = new Int32Array(keyTiles + 1)
  const addTiles = (from: number, to: number) => {
    if (from >= to) return
    changes[Math.floor(from / size.keys)]! += 1
    changes[Math.floor((to - 1) / size.keys) + 1]! -= 1
  }
  const end = Math.min((queryTile + 1) * size.queries, ranges.length / 4)
  for (let row = queryTile * size.queries; row < end; row++) {
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

/** [N, 2] by query tile: the key tile, and the tile's place in tilesByKeyTile. */
export function tilesByQueryTile({ tiles, members }: HostAttentionTiles): Uint32Array {
  const list = new Uint32Array(tiles.length)
  members.forEach((tile, place) => {
    list[2 * tile] = tiles[2 * tile + 1]!
    list[2 * tile + 1] = place
  })
  return list
}

/** [N, 2] by key tile: query tile and key tile. */
export function tilesByKeyTile({ tiles, members }: HostAttentionTiles): Uint32Array {
  const list = new Uint32Array(tiles.length)
  members.forEach((tile, place) => {
    list.set(tiles.subarray(2 * tile, 2 * tile + 2), 2 * place)
  })
  return list
}

/** One list: [query tiles + 1] where each query tile begins in it, then the key tiles of all. */
export function keyTilesOfQueryTiles({ tiles, queryTileStarts }: HostAttentionTiles): Uint32Array {
  return startsAndTiles(queryTileStarts, tiles.length / 2, (n) => tiles[2 * n + 1]!)
}

/** One list: [key tiles + 1] where each key tile begins in it, then the query tiles of all. */
export function queryTilesOfKeyTiles({ tiles, keyTileStarts, members }: HostAttentionTiles): Uint32Array {
  return startsAndTiles(keyTileStarts, members.length, (n) => tiles[2 * members[n]!]!)
}

function startsAndTiles(starts: Uint32Array, count: number, tileAt: (n: number) => number): Uint32Array {
  const list = new Uint32Array(starts.length + count)
  list.set(starts.map((start) => start + starts.length))
  for (let n = 0; n < count; n++) list[starts.length + n] = tileAt(n)
  return list
}
