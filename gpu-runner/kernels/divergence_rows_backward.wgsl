// In place: logits[r, v] becomes upstream[r] * (p_v - q_v), the gradient of sum(upstream * KL(q || p)) with p the softmax of the policy's
// logits and q that of the reference's. Of soft-capped logits it becomes the gradient before the cap: times 1 - (logit / cap)^2.
// Maxima are subtracted first. A workgroup owns one row. f32 accumulation.
struct Params {
  row_count: u32, // rows of this chunk
  packs_per_row: u32, // V / PACK_SIZE
  first_row: u32, // the chunk's first row in upstream
  inverse_soft_cap: f32, // 1 / cap, or 0 where logits are not capped
}

@group(0) @binding(0) var<storage, read> upstream: array<f32>; // [R], dL / ddivergence
@group(0) @binding(1) var<storage, read> reference_logits: array<Pack>; // [rows, V]
@group(0) @binding(2) var<storage, read_write> logits: array<Pack>; // [rows, V], policy, = its own gradient
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(ROW_LANES)
fn divergence_rows_backward(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = workgroup_index(workgroup, workgroups);
  if (row >= params.row_count) {
    return;
  }
  let start = row * params.packs_per_row;
  // Lanes without a pack start from the first one: WGSL may assume that no infinity occurs. No lane writes before all have read it.
  var lane_max = pack_max(logits[start]);
  var reference_lane_max = pack_max(reference_logits[start]);
  for (var pack = lane; pack < params.packs_per_row; pack += ROW_LANES) {
    lane_max = max(lane_max, pack_max(logits[start + pack]));
    reference_lane_max = max(reference_lane_max, pack_max(reference_logits[start + pack]));
  }
  let greatest = row_max(lane_max, lane);
  let reference_greatest = row_max(reference_lane_max, lane);
  var exponentials = Pack(0.0);
  var reference_exponentials = Pack(0.0);
  for (var pack = lane; pack < params.packs_per_row; pack += ROW_LANES) {
    exponentials += exp(logits[start + pack] - greatest);
    reference_exponentials += exp(reference_logits[start + pack] - reference_greatest);
  }
  let inverse = 1.0 / row_sum(pack_sum(exponentials), lane);
  let reference_inverse = 1.0 / row_sum(pack_sum(reference_exponentials), lane);
  for (var pack = lane; pack < params.packs_per_row; pack += ROW_LANES) {
    let logit = logits[start + pack];
    let p = exp(logit - greatest) * inverse;
    let q = exp(reference_logits[start + pack] - reference_greatest) * reference_inverse;
    let bounded = logit * params.inverse_soft_cap;
    logits[start + pack] = upstream[params.first_row + row] * (p - q) * (1.0 - bounded * bounded);
  }
}
