// d_query[i, h] = sum over the tiles of query row i and their keys j of d_S_ij k_j, with d_S as attention_tile_gradients left them. Only
// tiles whose matrices are in the buffer count: long rows are worked off in stretches of key tiles, which add up.
// One subgroup of 8 lanes owns 32 query rows x 32 channels of a head; lane l holds channels 4 l .. 4 l + 3. f32 accumulation.
// with: grid, attention_tiles
@group(0) @binding(0) var<storage, read> matrices: array<vec4<f32>>; // [2, heads, matrices, 32 queries, 32 keys]
@group(0) @binding(1) var<storage, read> key: array<vec4<f32>>; // [T, KV * D]
@group(0) @binding(2) var<storage, read> tiles: array<vec2<u32>>; // [tiles] by query tile: key tile, place by key tile
@group(0) @binding(3) var<storage, read> query_tile_starts: array<u32>; // [query tiles + 1], into the tiles
@group(0) @binding(4) var<storage, read_write> d_query: array<vec4<f32>>; // [Q, H * D], = or +=

@compute @workgroup_size(TILE_LANES)
fn attention_tile_query_gradient(grid: Grid, @builtin(subgroup_invocation_id) lane: u32) {
  let blocks = (params.head_lane4s + LANE4S_PER_TILE_ROW - 1u) / LANE4S_PER_TILE_ROW;
  let query_tiles = (params.query_count + TILE_SIZE - 1u) / TILE_SIZE;
  let index = workgroup_index(grid);
  let local_head = index / (query_tiles * blocks);
  if (local_head >= params.heads) {
    return;
  }
  let head = params.first_head + local_head;
  let key_head_count = params.head_count / params.group_size;
  let query_tile = index / blocks % query_tiles;
  let lane4 = index % blocks * LANE4S_PER_TILE_ROW + lane;
  let first_row = query_tile * TILE_SIZE;
  let key_offset = head / params.group_size * params.head_lane4s + min(lane4, params.head_lane4s - 1u);
  for (var n = query_tile_starts[query_tile]; n < query_tile_starts[query_tile + 1u]; n++) {
    let place = tiles[n].y;
    if (place < params.first_matrix || place >= params.first_matrix + params.matrix_count) {
      continue;
    }
    let first_key = tiles[n].x * TILE_SIZE;
    let a_row = matrix_row(params.skipped_heads + local_head, place, 4u * lane);
    for (var k = 0u; k < LANE4S_PER_TILE_ROW; k++) {
      let at_a = vec4<u32>(0u, 1u, 2u, 3u) * LANE4S_PER_TILE_ROW + a_row + k;
      let at_k = four_rows(first_key + 4u * k, params.key_count) * (key_head_count * params.head_lane4s) + key_offset;
      tile_multiply_add(
        mat4x4<f32>(matrices[at_a.x], matrices[at_a.y], matrices[at_a.z], matrices[at_a.w]),
        mat4x4<f32>(key[at_k.x], key[at_k.y], key[at_k.z], key[at_k.w]),
      );
    }
  }
  if (lane4 >= params.head_lane4s) {
    return;
  }
  var values = tile;
  for (var i = 0u; i < min(params.tile_rows, params.query_count - first_row); i++) {
    let at = ((first_row + i) * params.head_count + head) * params.head_lane4s + lane4;
    if (params.accumulate != 0u) {
      d_query[at] += values[i];
    } else {
      d_query[at] = values[i];
    }
  }
}
