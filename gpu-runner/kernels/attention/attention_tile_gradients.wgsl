// weights[tile, h] = P = exp(scale q_i . k_j - log_sum_exp_i) where j is visible, else 0, and after those of all heads
// d_scores[tile, h] = scale * P (d_output_i . v_j - delta_i): the gradients of query, key and value are products of these.
// With SOFT_CAP the score is capped before the exponential, and d_scores carry the cap's derivative.
// One subgroup of 8 lanes owns a (tile, head); lane l holds keys 4 l .. 4 l + 3. f32 accumulation.
// with: grid, attention_tiles, attention_gradient_inputs, attention_score, lane4_vec4
@group(0) @binding(5) var<storage, read> ranges: array<vec4<u32>>; // [Q]: prefix start, prefix end, own start, own end
@group(0) @binding(6) var<storage, read> tiles: array<vec2<u32>>; // [tiles] by key tile: query tile, key tile
@group(0) @binding(7) var<storage, read_write> matrices: array<vec4<f32>>; // [2, heads, matrices, 32 queries, 32 keys]: weights, d_scores, =

@compute @workgroup_size(TILE_LANES)
fn attention_tile_gradients(grid: Grid, @builtin(subgroup_invocation_id) lane: u32) {
  let index = workgroup_index(grid);
  let local_head = index / params.matrix_count;
  if (local_head >= params.heads) {
    return;
  }
  let place = params.first_matrix + index % params.matrix_count;
  let head = params.first_head + local_head;
  let first = tiles[place] * TILE_SIZE;
  let first_key = first.y + 4u * lane;
  let key_tokens = four_rows(first_key, params.key_count);
  let key_head_count = params.head_count / params.group_size;
  let query_rows = (four_rows(first.x + 4u * lane, params.query_count) * params.head_count + head) * params.head_lane4s;
  let key_rows = (key_tokens * key_head_count + head / params.group_size) * params.head_lane4s;
  for (var p = 0u; p < params.head_lane4s; p++) {
    let q = query_rows + p;
    let k = key_rows + p;
    tile_multiply_add(
      mat4x4<f32>(query[q.x], query[q.y], query[q.z], query[q.w]),
      transpose(mat4x4<f32>(key[k.x], key[k.y], key[k.z], key[k.w])),
    );
  }
  var scores = tile;
  tile = array<vec4<f32>, TILE_SIZE>();
  for (var p = 0u; p < params.head_lane4s; p++) {
    let q = query_rows + p;
    let k = key_rows + p;
    tile_multiply_add(
      mat4x4<f32>(d_output[q.x], d_output[q.y], d_output[q.z], d_output[q.w]),
      transpose(mat4x4<f32>(value[k.x], value[k.y], value[k.z], value[k.w])),
    );
  }
  var d_weights = tile;
  for (var i = 0u; i < params.tile_rows; i++) {
    let row = first.x + i;
    let row_read = min(row, params.query_count - 1u);
    let of_row = statistics[row_read * params.head_count + head];
    let score = attention_score(params.scale * scores[i], params.soft_cap);
    // Invisible keys may hold any score; the minimum keeps their exponential finite.
    let exponentials = exp(min(score - of_row.x, vec4<f32>(0.0)));
    let weight = select(vec4<f32>(0.0), exponentials, visible_keys(ranges[row_read], first_key) & vec4<bool>(row < params.query_count));
    matrices[matrix_row(local_head, place, i) + lane] = weight;
    matrices[matrix_row(params.heads + local_head, place, i) + lane] =
      attention_score_backward(score, params.scale * weight * (d_weights[i] - of_row.y), params.soft_cap);
  }
}
