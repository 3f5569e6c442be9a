// output[i, h] = sum over visible keys j of softmax(scale q_i . k_j) v_j, log_sum_exp[i, h] its normaliser in nats.
// With SOFT_CAP the softmax is of cap tanh(score / cap) (Gemma 2).
// Grouped-query heads: query head h reads key-value head h / (H / KV). Online softmax (Milakov & Gimelshein, arXiv 1805.02867).
// One (query row, head) an invocation, neighbours in one head; f32 accumulation. Head size a multiple of 4, at most 4 * HEAD_LANE4S.
// with: grid, attention_params, attention_inputs, attention_ranges, attention_score, lane4_scalar
@group(0) @binding(3) var<storage, read> ranges: array<vec4<u32>>; // [Q]: prefix start, prefix end, own start, own end
@group(0) @binding(4) var<storage, read_write> output: array<vec4<f32>>; // [Q, H * D], =
@group(0) @binding(5) var<storage, read_write> log_sum_exp: array<f32>; // [Q, H], nats, =

@compute @workgroup_size(64)
fn attention(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let index = workgroup_index(grid) * 64u + lane;
  let head = index / params.query_count;
  if (head >= params.head_count) {
    return;
  }
  let row = index % params.query_count;
  let start = (row * params.head_count + head) * params.head_lane4s;
  let key_head_count = params.head_count / params.group_size;
  let key_head = head / params.group_size;
  var q: array<vec4<f32>, HEAD_LANE4S>;
  var sums: array<vec4<f32>, HEAD_LANE4S>;
  for (var p = 0u; p < HEAD_LANE4S; p++) {
    if (p < params.head_lane4s) {
      q[p] = query[start + p] * params.scale;
    }
  }
  let walk = key_walk(ranges[row]);
  var greatest = SMALLEST;
  var total = 0.0;
  for (var n = 0u; n < walk.count; n++) {
    let at = (key_at(walk, n) * key_head_count + key_head) * params.head_lane4s;
    var products = vec4<f32>();
    for (var p = 0u; p < HEAD_LANE4S; p++) {
      if (p < params.head_lane4s) {
        products += q[p] * key[at + p];
      }
    }
    let score = attention_score((products.x + products.y) + (products.z + products.w), params.soft_cap);
    let next_greatest = max(greatest, score);
    let correction = exp(greatest - next_greatest);
    let weight = exp(score - next_greatest);
    greatest = next_greatest;
    total = total * correction + weight;
    for (var p = 0u; p < HEAD_LANE4S; p++) {
      if (p < params.head_lane4s) {
        sums[p] = sums[p] * correction + weight * value[at + p];
      }
    }
  }
  for (var p = 0u; p < HEAD_LANE4S; p++) {
    if (p < params.head_lane4s) {
      output[start + p] = sums[p] / total;
    }
  }
  log_sum_exp[row * params.head_count + head] = greatest + log(total);
}
