// Attention in tiles of 32 query rows x 32 keys. Only tiles with something visible exist. One list has them by query tile, a second
// one by key tile; a tile's place in the second is the place of its matrix, which is stored row by row, 8 Lane4s of keys each.
// with: tile_subgroup8, attention_ranges, four_rows
const LANE4S_PER_TILE_ROW: u32 = 8u;

struct Params {
  query_count: u32, // Q
  key_count: u32, // T
  head_count: u32, // H
  group_size: u32, // H / KV
  head_lane4s: u32, // D / 4
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

// First Lane4 of a row of a matrix; `matrix` counts heads of this dispatch, `place` is by key tile.
fn matrix_row(matrix: u32, place: u32, row: u32) -> u32 {
  return ((matrix * params.matrix_count + place - params.first_matrix) * TILE_SIZE + row) * LANE4S_PER_TILE_ROW;
}
