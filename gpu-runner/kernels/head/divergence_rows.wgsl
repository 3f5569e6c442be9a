// divergence[r] = KL(q || p) = sum over v of q_v (log q_v - log p_v), nats, for the softmaxes p of the policy's logits and q of the
// reference's. Summed as q d + p - q with d = log q - log p, which is the same because p and q sum to 1: every term is then at least
// 0, and nothing cancels between terms. Logits come in ranges of the vocabulary, one dispatch each; the normalisers of log_normaliser
// are the whole vocabulary's. A workgroup owns one row. f32 accumulation.
// with: grid
struct Params {
  row_count: u32, // rows of this chunk
  lane4s_per_row: u32, // columns of this range / LANE4_SIZE
  first_row: u32, // the chunk's first row in the output
  accumulate: u32, // 0: =, 1: +=
}

@group(0) @binding(0) var<storage, read> logits: array<Lane4>; // [rows, columns of this range], policy
@group(0) @binding(1) var<storage, read> reference_logits: array<Lane4>; // [rows, columns of this range]
@group(0) @binding(2) var<storage, read> normaliser: array<vec2<f32>>; // [rows], policy
@group(0) @binding(3) var<storage, read> reference_normaliser: array<vec2<f32>>; // [rows]
@group(0) @binding(4) var<storage, read_write> divergence: array<f32>; // [R], nats
@group(1) @binding(0) var<uniform> params: Params;

// q d + p - q, p = q exp(-d), without cancellation: near 0 by the series of d - 1 + exp(-d).
fn divergence_terms(log_q: Lane4, log_p: Lane4) -> Lane4 {
  let d = log_q - log_p;
  let q = exp(log_q);
  let near = clamp(d, Lane4(-0.25), Lane4(0.25));
  let tail = 1.0 / 6.0 - near * (1.0 / 24.0 - near * (1.0 / 120.0 - near * (1.0 / 720.0)));
  return select(q * (d - 1.0) + exp(log_p), q * near * near * (0.5 - near * tail), abs(d) < Lane4(0.25));
}

@compute @workgroup_size(ROW_LANES)
fn divergence_rows(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let row = workgroup_index(grid);
  if (row >= params.row_count) {
    return;
  }
  let start = row * params.lane4s_per_row;
  let of_policy = normaliser[row];
  let of_reference = reference_normaliser[row];
  let log_total = log(of_policy.y);
  let reference_log_total = log(of_reference.y);
  var terms = Lane4(0.0);
  for (var i = lane; i < params.lane4s_per_row; i += ROW_LANES) {
    let log_p = logits[start + i] - of_policy.x - log_total;
    let log_q = reference_logits[start + i] - of_reference.x - reference_log_total;
    terms += divergence_terms(log_q, log_p);
  }
  var total = row_sum(lane4_sum(terms), lane);
  if (lane == 0u) {
    let of_all = params.first_row + row;
    if (params.accumulate != 0u) {
      total += divergence[of_all];
    }
    divergence[of_all] = total;
  }
}
