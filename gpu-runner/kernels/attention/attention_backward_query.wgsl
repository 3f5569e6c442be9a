// d_query[i, h] = scale * sum over visible keys j of P_ij (d_output_i . v_j - delta_i) k_j, P_ij = exp(scale q_i . k_j - log_sum_exp_i),
// delta_i = d_output_i . output_i. Dao et al., FlashAttention, arXiv 2205.14135, algorithm 4: probabilities are computed again.
// With SOFT_CAP scores are capped as in the forward pass, and each term is multiplied by the cap's derivative.
// One (query row, head) an invocation, neighbours in one head; f32 accumulation. Head size a multiple of 4, at most 4 * HEAD_LANE4S.
// with: grid, attention_params, attention_gradient_inputs, attention_ranges, attention_score, lane4_scalar
@group(0) @binding(5) var<storage, read> ranges: array<vec4<u32>>; // [Q]: prefix start, prefix end, own start, own end
@group(0) @binding(6) var<storage, read_write> d_query: array<vec4<f32>>; // [Q, H * D], =

@compute @workgroup_size(64)
fn attention_backward_query(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let index = workgroup_index(grid) * 64u + lane;
  let head = index / params.query_count;
  if (head >= params.head_count) {
    return;
  }
  let query_row = index % params.query_count;
  let row = query_row * params.head_count + head;
  let start = row * params.head_lane4s;
  let key_head_count = params.head_count / params.group_size;
  let key_head = head / params.group_size;
  var q: array<vec4<f32>, HEAD_LANE4S>;
  var upstream: array<vec4<f32>, HEAD_LANE4S>;
  var sums: array<vec4<f32>, HEAD_LANE4S>;
  for (var p = 0u; p < HEAD_LANE4S; p++) {
    if (p < params.head_lane4s) {
      q[p] = query[start + p] * params.scale;
      upstream[p] = d_output[start + p];
    }
  }
  let row_statistics = statistics[row];
  let walk = key_walk(ranges[query_row]);
  for (var n = 0u; n < walk.count; n++) {
    let at = (key_at(walk, n) * key_head_count + key_head) * params.head_lane4s;
    var scores = vec4<f32>();
    var d_weights = vec4<f32>();
    for (var p = 0u; p < HEAD_LANE4S; p++) {
      if (p < params.head_lane4s) {
        scores += q[p] * key[at + p];
        d_weights += upstream[p] * value[at + p];
      }
    }
    let score = attention_score((scores.x + scores.y) + (scores.z + scores.w), params.soft_cap);
    let d_weight = (d_weights.x + d_weights.y) + (d_weights.z + d_weights.w);
    let d_capped = exp(min(score - row_statistics.x, 0.0)) * (d_weight - row_statistics.y);
    let d_score = attention_score_backward(score, d_capped, params.soft_cap);
    for (var p = 0u; p < HEAD_LANE4S; p++) {
      if (p < params.head_lane4s) {
        sums[p] += d_score * key[at + p];
      }
    }
  }
  for (var p = 0u; p < HEAD_LANE4S; p++) {
    if (p < params.head_lane4s) {
      d_query[start + p] = sums[p] * params.scale;
    }
  }
}
