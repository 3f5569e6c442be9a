// In place: logits[r, v] becomes upstream[r] * (p_v - q_v), the gradient of sum(upstream * KL(q || p)) with p the softmax of the policy's
// logits and q that of the reference's. Of soft-capped logits it becomes the gradient before the cap: times 1 - (logit / cap)^2.
// Any range of the vocabulary; the normalisers of log_normaliser are the whole vocabulary's. A workgroup owns SEGMENT_LANE4S Lane4s of one row.
// with: grid, row_segments
struct Params {
  row_count: u32, // rows of this chunk
  lane4s_per_row: u32, // columns of this range / LANE4_SIZE
  first_row: u32, // the chunk's first row in upstream
  inverse_soft_cap: f32, // 1 / cap, or 0 where logits are not capped
}

@group(0) @binding(0) var<storage, read> upstream: array<f32>; // [R], dL / ddivergence
@group(0) @binding(1) var<storage, read> normaliser: array<vec2<f32>>; // [rows], policy
@group(0) @binding(2) var<storage, read> reference_normaliser: array<vec2<f32>>; // [rows]
@group(0) @binding(3) var<storage, read> reference_logits: array<Lane4>; // [rows, columns of this range]
@group(0) @binding(4) var<storage, read_write> logits: array<Lane4>; // [rows, columns of this range], policy, = its own gradient
@group(1) @binding(0) var<uniform> params: Params;

fn softmax(logit: Lane4, of_row: vec2<f32>) -> Lane4 {
  return exp(logit - of_row.x) * (1.0 / of_row.y);
}

@compute @workgroup_size(SEGMENT_LANES)
fn divergence_rows_backward(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let segment = segment_at(workgroup_index(grid), params.lane4s_per_row);
  let row = segment.row;
  if (row >= params.row_count) {
    return;
  }
  let of_policy = normaliser[row];
  let of_reference = reference_normaliser[row];
  let factor = upstream[params.first_row + row];
  let start = row * params.lane4s_per_row;
  for (var i = segment.first + lane; i < segment.end; i += SEGMENT_LANES) {
    let logit = logits[start + i];
    let difference = softmax(logit, of_policy) - softmax(reference_logits[start + i], of_reference);
    let bounded = logit * params.inverse_soft_cap;
    logits[start + i] = factor * difference * (1.0 - bounded * bounded);
  }
}
