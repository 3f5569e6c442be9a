// output[i, h] = sum over the tiles of query i and their keys j of A_ij x_j. With EXPONENTIATE A = exp(matrix - log_sum_exp_i):
// attention's output from scores and values. Without, A = matrix: d_query from d_scores and keys.
// One subgroup of 8 lanes owns 32 queries x 32 channels of a head; lane l holds channels 4 l .. 4 l + 3. f32 accumulation.
override EXPONENTIATE: bool = false;

@group(0) @binding(0) var<storage, read> matrices: array<vec4<f32>>; // [., heads, tiles, 32, 32]
@group(0) @binding(1) var<storage, read> log_sum_exp: array<f32>; // [Q, H], nats
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>; // [T, KV * D]
@group(0) @binding(3) var<storage, read> tiles: array<vec2<u32>>; // [tiles]: query tile, key tile
@group(0) @binding(4) var<storage, read> query_tile_starts: array<u32>; // [query tiles + 1], into the tiles
@group(0) @binding(5) var<storage, read_write> output: array<vec4<f32>>; // [Q, H * D], =

fn load_a(at: vec4<u32>, log_sum_exps: vec4<f32>) -> mat4x4<f32> {
  var a = mat4x4<f32>(matrices[at.x], matrices[at.y], matrices[at.z], matrices[at.w]);
  if (EXPONENTIATE) {
    a[0] = exp(a[0] - log_sum_exps.x);
    a[1] = exp(a[1] - log_sum_exps.y);
    a[2] = exp(a[2] - log_sum_exps.z);
    a[3] = exp(a[3] - log_sum_exps.w);
  }
  return a;
}

@compute @workgroup_size(TILE_LANES)
fn attention_tile_rows(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let blocks = (params.head_packs + PACKS_PER_TILE_ROW - 1u) / PACKS_PER_TILE_ROW;
  let query_tiles = (params.query_count + TILE_SIZE - 1u) / TILE_SIZE;
  let index = workgroup_index(workgroup, workgroups);
  let local_head = index / (query_tiles * blocks);
  if (local_head >= params.heads) {
    return;
  }
  let head = params.first_head + local_head;
  let key_head_count = params.head_count / params.group_size;
  let query_tile = index / blocks % query_tiles;
  let pack = index % blocks * PACKS_PER_TILE_ROW + lane;
  let first_row = query_tile * TILE_SIZE;
  let rows = four_rows(first_row + 4u * lane, params.query_count) * params.head_count + head;
  var log_sum_exps = vec4<f32>();
  if (EXPONENTIATE) {
    log_sum_exps = vec4<f32>(log_sum_exp[rows.x], log_sum_exp[rows.y], log_sum_exp[rows.z], log_sum_exp[rows.w]);
  }
  let x_offset = head / params.group_size * params.head_packs + min(pack, params.head_packs - 1u);
  for (var n = query_tile_starts[query_tile]; n < query_tile_starts[query_tile + 1u]; n++) {
    let first_key = tiles[n].y * TILE_SIZE;
    let a_row = tile_row(params.first_matrix + local_head, n, 4u * lane);
    for (var k = 0u; k < PACKS_PER_TILE_ROW; k++) {
      let at_a = vec4<u32>(0u, 1u, 2u, 3u) * PACKS_PER_TILE_ROW + a_row + k;
      let at_x = four_rows(first_key + 4u * k, params.key_count) * (key_head_count * params.head_packs) + x_offset;
      tile_multiply_add(load_a(at_a, log_sum_exps), mat4x4<f32>(x[at_x.x], x[at_x.y], x[at_x.z], x[at_x.w]));
    }
  }
  if (pack >= params.head_packs) {
    return;
  }
  var values = tile;
  for (var i = 0u; i < min(params.tile_rows, params.query_count - first_row); i++) {
    output[((first_row + i) * params.head_count + head) * params.head_packs + pack] = values[i];
  }
}
