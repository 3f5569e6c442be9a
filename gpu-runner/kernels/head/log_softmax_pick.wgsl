// For each row of logits: log_sum_exp, log_prob = logit[target] - log_sum_exp, entropy = log_sum_exp - sum(p * logit),
// collision = log(sum(p^2)), nats. Logits come in ranges of the vocabulary, one dispatch each; what is known so far is in `state`.
// One pass over the logits, relative to the largest so far (common/row_sums). A workgroup owns one row. f32 accumulation.
// with: grid, row_sums
struct Params {
  row_count: u32, // rows of this chunk
  lane4s_per_row: u32, // columns of this range / LANE4_SIZE
  first_row: u32, // the chunk's first row in targets and outputs
  first_column: u32, // the range's first token
  is_first: u32, // 1: no range came before, `state` is not read
  is_last: u32, // 1: write the outputs; 0: write `state`
}

struct RowState {
  greatest: f32, // the largest logit
  total: f32, // sum of exp(logit - greatest)
  squares: f32, // of their squares
  weighted: f32, // of exp(logit - greatest) * (logit - greatest)
  picked: f32, // the target's logit; 0 until its range comes
}

@group(0) @binding(0) var<storage, read> logits: array<Lane4>; // [rows, columns of this range]
@group(0) @binding(1) var<storage, read> targets: array<u32>; // [R], each < V
@group(0) @binding(2) var<storage, read_write> state: array<RowState>; // [rows]
@group(0) @binding(3) var<storage, read_write> log_probs: array<f32>; // [R], nats, =
@group(0) @binding(4) var<storage, read_write> log_sum_exp: array<f32>; // [R], nats, =
@group(0) @binding(5) var<storage, read_write> entropy: array<f32>; // [R], nats, =
@group(0) @binding(6) var<storage, read_write> collision: array<f32>; // [R], nats, =
@group(1) @binding(0) var<uniform> params: Params;

fn lane_sums(start: u32, lane: u32) -> RowSums {
  var sums = no_row_sums(logits[start]);
  var i = lane;
  // Four Lane4s at a time: one rescaling for all, and four loads under way at once.
  for (; i + 3u * ROW_LANES < params.lane4s_per_row; i += 4u * ROW_LANES) {
    let at = start + i;
    let a = logits[at];
    let b = logits[at + ROW_LANES];
    let c = logits[at + 2u * ROW_LANES];
    let d = logits[at + 3u * ROW_LANES];
    sums = rescaled(sums, max(sums.greatest, lane4_max(max(max(a, b), max(c, d)))));
    sums = with_lane4(with_lane4(with_lane4(with_lane4(sums, a), b), c), d);
  }
  for (; i < params.lane4s_per_row; i += ROW_LANES) {
    let a = logits[start + i];
    sums = with_lane4(rescaled(sums, max(sums.greatest, lane4_max(a))), a);
  }
  return sums;
}

fn merged(a: RowState, b: RowState) -> RowState {
  let greatest = max(a.greatest, b.greatest);
  let shift = vec2<f32>(a.greatest, b.greatest) - greatest;
  let factor = exp(shift);
  let totals = factor * vec2<f32>(a.total, b.total);
  return RowState(
    greatest,
    totals.x + totals.y,
    dot(factor * factor, vec2<f32>(a.squares, b.squares)),
    dot(factor, vec2<f32>(a.weighted, b.weighted)) + dot(shift, totals),
    a.picked + b.picked,
  );
}

@compute @workgroup_size(ROW_LANES)
fn log_softmax_pick(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let row = workgroup_index(grid);
  if (row >= params.row_count) {
    return;
  }
  let start = row * params.lane4s_per_row;
  let own = lane_sums(start, lane);
  let greatest = row_max(own.greatest, lane);
  let sums = rescaled(own, greatest);
  let totals = row_sum3(vec3<f32>(lane4_sum(sums.exponentials), lane4_sum(sums.squares), lane4_sum(sums.weighted)), lane);
  if (lane != 0u) {
    return;
  }
  let of_all = params.first_row + row;
  var known = RowState(greatest, totals.x, totals.y, totals.z, 0.0);
  let wanted = targets[of_all] - params.first_column;
  // Below the range the difference wraps around, to beyond its end.
  if (wanted < params.lane4s_per_row * LANE4_SIZE) {
    known.picked = lane4_element(logits[start + wanted / LANE4_SIZE], wanted);
  }
  if (params.is_first == 0u) {
    known = merged(state[row], known);
  }
  if (params.is_last == 0u) {
    state[row] = known;
    return;
  }
  let log_total = log(known.total);
  log_probs[of_all] = known.picked - known.greatest - log_total;
  log_sum_exp[of_all] = known.greatest + log_total;
  collision[of_all] = log(known.squares) - 2.0 * log_total;
  entropy[of_all] = log_total - known.weighted / known.total;
}
