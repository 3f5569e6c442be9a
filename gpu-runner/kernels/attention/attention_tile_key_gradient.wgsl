// output[j, g] = sum over the heads h of key-value head g, the tiles of key j and their queries i of A_ij x[i, h]:
// d_value from weights and d_output, d_key from d_scores and queries, both as attention_tile_gradients left them.
// One subgroup of 8 lanes owns 32 keys x 32 channels of a key-value head; lane l holds channels 4 l .. 4 l + 3. f32 accumulation.
// with: grid, attention_tiles
@group(0) @binding(0) var<storage, read> matrices: array<vec4<f32>>; // [2, heads, matrices, 32 queries, 32 keys]
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>; // [Q, H * D]
@group(0) @binding(2) var<storage, read> tiles: array<vec2<u32>>; // [tiles] by key tile: query tile, key tile
@group(0) @binding(3) var<storage, read> key_tile_starts: array<u32>; // [key tiles + 1], into the tiles
@group(0) @binding(4) var<storage, read_write> output: array<vec4<f32>>; // [T, KV * D], =

@compute @workgroup_size(TILE_LANES)
fn attention_tile_key_gradient(grid: Grid, @builtin(subgroup_invocation_id) lane: u32) {
  let blocks = (params.head_lane4s + LANE4S_PER_TILE_ROW - 1u) / LANE4S_PER_TILE_ROW;
  let index = workgroup_index(grid);
  let local_key_head = index / (params.key_tiles * blocks);
  if (local_key_head >= params.heads / params.group_size) {
    return;
  }
  let key_head = params.first_head / params.group_size + local_key_head;
  let key_head_count = params.head_count / params.group_size;
  let key_tile = params.first_key_tile + index / blocks % params.key_tiles;
  let lane4 = index % blocks * LANE4S_PER_TILE_ROW + lane;
  let first_token = key_tile * TILE_SIZE;
  for (var group_member = 0u; group_member < params.group_size; group_member++) {
    let local_head = local_key_head * params.group_size + group_member;
    let x_offset = (params.first_head + local_head) * params.head_lane4s + min(lane4, params.head_lane4s - 1u);
    for (var n = key_tile_starts[key_tile]; n < key_tile_starts[key_tile + 1u]; n++) {
      let first_query = tiles[n].x * TILE_SIZE;
      let a_row = matrix_row(params.skipped_heads + local_head, n, 0u) + lane;
      for (var k = 0u; k < TILE_SIZE; k += 4u) {
        let at_a = vec4<u32>(k, k + 1u, k + 2u, k + 3u) * LANE4S_PER_TILE_ROW + a_row;
        let at_x = four_rows(first_query + k, params.query_count) * (params.head_count * params.head_lane4s) + x_offset;
        tile_multiply_add(
          transpose(mat4x4<f32>(matrices[at_a.x], matrices[at_a.y], matrices[at_a.z], matrices[at_a.w])),
          mat4x4<f32>(x[at_x.x], x[at_x.y], x[at_x.z], x[at_x.w]),
        );
      }
    }
  }
  if (lane4 >= params.head_lane4s) {
    return;
  }
  var values = tile;
  for (var i = 0u; i < min(params.tile_rows, params.key_count - first_token); i++) {
    output[((first_token + i) * key_head_count + key_head) * params.head_lane4s + lane4] = values[i];
  }
}
