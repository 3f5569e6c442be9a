// divergence[r] = KL(q || p) = sum over v of q_v (log q_v - log p_v), nats, for the softmaxes p of the policy's logits and q of the
// reference's. Summed as q d + p - q with d = log q - log p, which is the same because p and q sum to 1: every term is then at least
// 0, and nothing cancels between terms. Maxima are subtracted first. A workgroup owns one row. f32 accumulation.
struct Params {
  row_count: u32, // rows of this chunk
  packs_per_row: u32, // V / PACK_SIZE
  first_row: u32, // the chunk's first row in the output
}

@group(0) @binding(0) var<storage, read> logits: array<Pack>; // [rows, V], policy
@group(0) @binding(1) var<storage, read> reference_logits: array<Pack>; // [rows, V]
@group(0) @binding(2) var<storage, read_write> divergence: array<f32>; // [R], nats, =
@group(1) @binding(0) var<uniform> params: Params;

// q d + p - q, p = q exp(-d), without cancellation: near 0 by the series of d - 1 + exp(-d).
fn divergence_terms(log_q: Pack, log_p: Pack) -> Pack {
  let d = log_q - log_p;
  let q = exp(log_q);
  let near = clamp(d, Pack(-0.25), Pack(0.25));
  let tail = 1.0 / 6.0 - near * (1.0 / 24.0 - near * (1.0 / 120.0 - near * (1.0 / 720.0)));
  return select(q * (d - 1.0) + exp(log_p), q * near * near * (0.5 - near * tail), abs(d) < Pack(0.25));
}

@compute @workgroup_size(ROW_LANES)
fn divergence_rows(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = workgroup_index(workgroup, workgroups);
  if (row >= params.row_count) {
    return;
  }
  let start = row * params.packs_per_row;
  // Lanes without a pack start from the first one: WGSL may assume that no infinity occurs.
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
  let log_total = log(row_sum(pack_sum(exponentials), lane));
  let reference_log_total = log(row_sum(pack_sum(reference_exponentials), lane));
  var terms = Pack(0.0);
  for (var pack = lane; pack < params.packs_per_row; pack += ROW_LANES) {
    let log_p = logits[start + pack] - greatest - log_total;
    let log_q = reference_logits[start + pack] - reference_greatest - reference_log_total;
    terms += divergence_terms(log_q, log_p);
  }
  let total = row_sum(pack_sum(terms), lane);
  if (lane == 0u) {
    divergence[params.first_row + row] = total;
  }
}
