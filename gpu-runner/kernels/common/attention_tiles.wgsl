// Attention in tiles of 32 query rows x 32 keys. Only tiles with something visible exist. One list has them by query tile, a second
// one by key tile; a tile's place in the second is the place of its matrix, which is stored row by row, 8 packs of 4 keys each.
// with: tile_subgroup8
const SMALLEST: f32 = -3.0e38; // stands for minus infinity, which WGSL may assume away
const PACKS_PER_TILE_ROW: u32 = 8u;

struct Params {
  query_count: u32, // Q
  key_count: u32, // T
  head_count: u32, // H
  group_size: u32, // H / KV
  head_packs: u32, // D / 4
  first_head: u32, // of this dispatch; a multiple of group_size
  heads: u32, // query heads of this dispatch
  first_key_tile: u32, // of this dispatch
  key_tiles: u32, // of this dispatch
  first_matrix: u32, // the place of the first matrix in the buffer
  matrix_count: u32, // matrices a head in the buffer
  skipped_heads: u32, // heads of matrices to skip in a buffer that holds two for each
  accumulate: u32, // 0: =, 1: +=
  tile_rows: u32, // 32; a loop bound that the compiler cannot unroll
  scale: f32, // of the scores
  soft_cap: f32, // of the scaled scores; read with SOFT_CAP only
}

@group(1) @binding(0) var<uniform> params: Params;

// Four consecutive rows of `count`, those past the end replaced by the last one.
fn four_rows(first: u32, count: u32) -> vec4<u32> {
  return min(vec4<u32>(first, first + 1u, first + 2u, first + 3u), vec4<u32>(count - 1u));
}

// First pack of a row of a matrix; `matrix` counts heads of this dispatch, `place` is by key tile.
fn matrix_row(matrix: u32, place: u32, row: u32) -> u32 {
  return ((matrix * params.matrix_count + place - params.first_matrix) * TILE_SIZE + row) * PACKS_PER_TILE_ROW;
}

// For the keys first_key .. first_key + 3: which of them a query row sees by its ranges.
fn visible_keys(row_ranges: vec4<u32>, first_key: u32) -> vec4<bool> {
  let keys = vec4<u32>(first_key, first_key + 1u, first_key + 2u, first_key + 3u);
  let in_prefix = (keys >= row_ranges.xxxx) & (keys < row_ranges.yyyy);
  let in_own = (keys >= row_ranges.zzzz) & (keys < row_ranges.wwww);
  return in_prefix | in_own;
}
