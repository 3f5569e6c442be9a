// In place: logits[r, v] becomes upstream[r] * (1[v = target] - exp(logit - log_sum_exp)), the gradient of sum(upstream * log_prob).
// Of soft-capped logits it becomes the gradient before the cap: times 1 - (logit / cap)^2.
// Any range of the vocabulary; log_sum_exp is the whole vocabulary's. A workgroup owns SEGMENT_LANE4S Lane4s of one row.
// with: grid, row_segments
struct Params {
  row_count: u32, // rows of this chunk
  lane4s_per_row: u32, // columns of this range / LANE4_SIZE
  first_row: u32, // the chunk's first row in the per-row inputs
  first_column: u32, // the range's first token
  inverse_soft_cap: f32, // 1 / cap, or 0 where logits are not capped
}

@group(0) @binding(0) var<storage, read> targets: array<u32>; // [R]
@group(0) @binding(1) var<storage, read> log_sum_exp: array<f32>; // [R], nats
@group(0) @binding(2) var<storage, read> upstream: array<f32>; // [R], dL / dlog_prob
@group(0) @binding(3) var<storage, read_write> logits: array<Lane4>; // [rows, columns of this range], = its own gradient
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(SEGMENT_LANES)
fn log_softmax_backward(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let segment = segment_at(workgroup_index(grid), params.lane4s_per_row);
  let row = segment.row;
  if (row >= params.row_count) {
    return;
  }
  let of_all = params.first_row + row;
  let wanted = targets[of_all];
  let normaliser = log_sum_exp[of_all];
  let factor = upstream[of_all];
  let start = row * params.lane4s_per_row;
  for (var i = segment.first + lane; i < segment.end; i += SEGMENT_LANES) {
    let logit = logits[start + i];
    // A log-probability is at most 0; rounding may leave it a hair above.
    let probability = exp(min(logit - normaliser, Lane4(0.0)));
    let bounded = logit * params.inverse_soft_cap;
    let d_logits = factor * (lane4_one_hot(params.first_column + i * LANE4_SIZE, wanted) - probability);
    logits[start + i] = d_logits * (1.0 - bounded * bounded);
  }
}
