// scores[tile, h] = scale q_i . k_j, soft-capped with SOFT_CAP, for the 32 x 32 queries i and keys j of a tile; SMALLEST where j is
// not visible from i.
// One subgroup of 8 lanes owns a (tile, head); lane l holds keys 4 l .. 4 l + 3. f32 accumulation.
@group(0) @binding(0) var<storage, read> query: array<vec4<f32>>; // [Q, H * D]
@group(0) @binding(1) var<storage, read> key: array<vec4<f32>>; // [T, KV * D]
@group(0) @binding(2) var<storage, read> ranges: array<vec4<u32>>; // [Q]: prefix start, prefix end, own start, own end
@group(0) @binding(3) var<storage, read> tiles: array<vec2<u32>>; // [tiles]: query tile, key tile
@group(0) @binding(4) var<storage, read_write> scores: array<vec4<f32>>; // [heads, tiles, 32, 32], =

@compute @workgroup_size(TILE_LANES)
fn attention_tile_scores(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let index = workgroup_index(workgroup, workgroups);
  let local_head = index / params.tile_count;
  if (local_head >= params.heads) {
    return;
  }
  let tile_index = index % params.tile_count;
  let head = params.first_head + local_head;
  let first = tiles[tile_index] * TILE_SIZE;
  let first_key = first.y + 4u * lane;
  let key_tokens = four_rows(first_key, params.key_count);
  let key_head_count = params.head_count / params.group_size;
  let query_rows = (four_rows(first.x + 4u * lane, params.query_count) * params.head_count + head) * params.head_packs;
  let key_rows = (key_tokens * key_head_count + head / params.group_size) * params.head_packs;
  for (var p = 0u; p < params.head_packs; p++) {
    let q = query_rows + p;
    let k = key_rows + p;
    tile_multiply_add(
      mat4x4<f32>(query[q.x], query[q.y], query[q.z], query[q.w]),
      transpose(mat4x4<f32>(key[k.x], key[k.y], key[k.z], key[k.w])),
    );
  }
  var values = tile;
  // The bound is no constant on purpose: an unrolled loop makes the kernel many times larger.
  for (var i = 0u; i < params.tile_rows; i++) {
    let row = first.x + i;
    let is_visible = visible_keys(row, first_key, ranges[min(row, params.query_count - 1u)]);
    let score = attention_score(params.scale * values[i], params.soft_cap);
    scores[tile_row(local_head, tile_index, i) + lane] = select(vec4<f32>(SMALLEST), score, is_visible);
  }
}
