// Attention in tiles of 32 queries x 32 keys. Only tiles with something visible exist; they are listed by query tile, and a second
// list names them by key tile. A tile's matrix is stored row by row, 8 packs of 4 keys each, one matrix a head.
const SMALLEST: f32 = -3.0e38; // stands for minus infinity, which WGSL may assume away
const PACKS_PER_TILE_ROW: u32 = 8u;

struct Params {
  query_count: u32, // Q
  key_count: u32, // T
  head_count: u32, // H
  group_size: u32, // H / KV
  head_packs: u32, // D / 4
  tile_count: u32, // listed tiles
  first_head: u32, // of this dispatch; its matrices start at 0
  heads: u32, // query heads of this dispatch
  first_matrix: u32, // matrices to skip in a buffer that holds two for each head
  tile_rows: u32, // 32; a loop bound that the compiler cannot unroll
  scale: f32, // of the scores
  soft_cap: f32, // of the scaled scores; read with SOFT_CAP only
}

@group(1) @binding(0) var<uniform> params: Params;

// Four consecutive rows of `count`, those past the end replaced by the last one.
fn four_rows(first: u32, count: u32) -> vec4<u32> {
  return min(vec4<u32>(first, first + 1u, first + 2u, first + 3u), vec4<u32>(count - 1u));
}

// First pack of a row of a tile; `matrix` counts heads of this dispatch.
fn tile_row(matrix: u32, tile_index: u32, row: u32) -> u32 {
  return ((matrix * params.tile_count + tile_index) * TILE_SIZE + row) * PACKS_PER_TILE_ROW;
}

// For the lane's keys first_key .. first_key + 3: which of them the query row sees by its ranges; none past the last row.
fn visible_keys(row: u32, first_key: u32, row_ranges: vec4<u32>) -> vec4<bool> {
  let keys = vec4<u32>(first_key, first_key + 1u, first_key + 2u, first_key + 3u);
  let in_prefix = (keys >= row_ranges.xxxx) & (keys < row_ranges.yyyy);
  let in_own = (keys >= row_ranges.zzzz) & (keys < row_ranges.wwww);
  return (in_prefix | in_own) & vec4<bool>(row < params.query_count);
}
