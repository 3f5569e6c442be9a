// d_value[j, g] = sum over the group's heads h and the queries i that see j of P_ij d_output_i,
// d_key[j, g] = scale * sum of P_ij (d_output_i . v_j - delta_i) q_i, with P and delta as in attention_backward_query.
// The queries that see j lie in a stretch of rows, each says so itself: no atomics, the same bits every time. SOFT_CAP as there.
// One (token, key-value head) an invocation; f32 accumulation. Head size a multiple of 4, at most 4 * HEAD_LANE4S.
// with: grid, attention_params, attention_gradient_inputs, attention_ranges, attention_score, lane4_scalar

// Both in one, to stay within 8 bindings: [2 Q], the query rows' prefix start, prefix end and then own start, own end; [T], for each key
// the first query row that may see it and one past the last.
@group(0) @binding(5) var<storage, read> ranges_and_readers: array<vec2<u32>>;
@group(0) @binding(6) var<storage, read_write> d_key: array<vec4<f32>>; // [T, KV * D], =
@group(0) @binding(7) var<storage, read_write> d_value: array<vec4<f32>>; // [T, KV * D], =

@compute @workgroup_size(64)
fn attention_backward_key(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let index = workgroup_index(grid) * 64u + lane;
  let key_head = index / params.key_count;
  let key_head_count = params.head_count / params.group_size;
  if (key_head >= key_head_count) {
    return;
  }
  let token = index % params.key_count;
  let start = (token * key_head_count + key_head) * params.head_lane4s;
  var k: array<vec4<f32>, HEAD_LANE4S>;
  var v: array<vec4<f32>, HEAD_LANE4S>;
  var d_k: array<vec4<f32>, HEAD_LANE4S>;
  var d_v: array<vec4<f32>, HEAD_LANE4S>;
  for (var p = 0u; p < HEAD_LANE4S; p++) {
    if (p < params.head_lane4s) {
      k[p] = key[start + p] * params.scale;
      v[p] = value[start + p];
    }
  }
  let rows = ranges_and_readers[2u * params.query_count + token];
  for (var i = rows.x; i < rows.y; i++) {
    if (!is_visible(vec4<u32>(ranges_and_readers[2u * i], ranges_and_readers[2u * i + 1u]), token)) {
      continue;
    }
    for (var member = 0u; member < params.group_size; member++) {
      let row = i * params.head_count + key_head * params.group_size + member;
      let at = row * params.head_lane4s;
      var scores = vec4<f32>();
      var d_weights = vec4<f32>();
      for (var p = 0u; p < HEAD_LANE4S; p++) {
        if (p < params.head_lane4s) {
          scores += k[p] * query[at + p];
          d_weights += v[p] * d_output[at + p];
        }
      }
      let score = attention_score((scores.x + scores.y) + (scores.z + scores.w), params.soft_cap);
      let d_weight = (d_weights.x + d_weights.y) + (d_weights.z + d_weights.w);
      let weight = exp(min(score - statistics[row].x, 0.0));
      let d_capped = weight * (d_weight - statistics[row].y) * params.scale;
      let d_score = attention_score_backward(score, d_capped, params.soft_cap);
      for (var p = 0u; p < HEAD_LANE4S; p++) {
        if (p < params.head_lane4s) {
          d_v[p] += weight * d_output[at + p];
          d_k[p] += d_score * query[at + p];
        }
      }
    }
  }
  for (var p = 0u; p < HEAD_LANE4S; p++) {
    if (p < params.head_lane4s) {
      d_key[start + p] = d_k[p];
      d_value[start + p] = d_v[p];
    }
  }
}
