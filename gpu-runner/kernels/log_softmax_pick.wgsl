// For each row of logits: log_sum_exp, log_prob = logit[target] - log_sum_exp, entropy = log_sum_exp - sum(p * logit),
// collision = log(sum(p^2)), nats.
// The maximum is subtracted first. A workgroup owns one row. f32 accumulation.
struct Params {
  row_count: u32, // rows of this chunk
  packs_per_row: u32, // V / PACK_SIZE
  first_row: u32, // the chunk's first row in the outputs
}

@group(0) @binding(0) var<storage, read> logits: array<Pack>; // [rows, V]
@group(0) @binding(1) var<storage, read> targets: array<u32>; // [R], each < V
@group(0) @binding(2) var<storage, read_write> log_probs: array<f32>; // [R], nats, =
@group(0) @binding(3) var<storage, read_write> log_sum_exp: array<f32>; // [R], nats, =
@group(0) @binding(4) var<storage, read_write> entropy: array<f32>; // [R], nats, =
@group(0) @binding(5) var<storage, read_write> collision: array<f32>; // [R], nats, =
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(ROW_LANES)
fn log_softmax_pick(
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
  for (var pack = lane; pack < params.packs_per_row; pack += ROW_LANES) {
    lane_max = max(lane_max, pack_max(logits[start + pack]));
  }
  let greatest = row_max(lane_max, lane);
  let wanted = targets[params.first_row + row];
  var exponentials = Pack(0.0);
  var squares = Pack(0.0);
  var weighted = Pack(0.0);
  var picked = Pack(0.0);
  for (var pack = lane; pack < params.packs_per_row; pack += ROW_LANES) {
    let shifted = logits[start + pack] - greatest;
    let exponential = exp(shifted);
    exponentials += exponential;
    squares += exponential * exponential;
    weighted += exponential * shifted;
    picked += shifted * pack_one_hot(pack * PACK_SIZE, wanted);
  }
  let total = row_sum(pack_sum(exponentials), lane);
  let total_squares = row_sum(pack_sum(squares), lane);
  let mean_shifted = row_sum(pack_sum(weighted), lane) / total;
  let picked_shifted = row_sum(pack_sum(picked), lane);
  if (lane == 0u) {
    let log_total = log(total);
    log_probs[params.first_row + row] = picked_shifted - log_total;
    log_sum_exp[params.first_row + row] = greatest + log_total;
    collision[params.first_row + row] = log(total_squares) - 2.0 * log_total;
    entropy[params.first_row + row] = log_total - mean_shifted;
  }
}
