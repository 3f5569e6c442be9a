// normaliser[r] = (the row's largest logit, sum of exp(logit - largest)): log softmax(l) = l - largest - log(sum). Logits come in ranges of
// the vocabulary, one dispatch each, that are merged in order. One pass over the logits, relative to the largest so far (arXiv
// 1805.02867). A workgroup owns one row. f32 accumulation.
// with: grid
struct Params {
  row_count: u32, // rows of this chunk
  lane4s_per_row: u32, // columns of this range / LANE4_SIZE
  is_first: u32, // 1: =, 0: merged with what is there
}

@group(0) @binding(0) var<storage, read> logits: array<Lane4>; // [rows, columns of this range]
@group(0) @binding(1) var<storage, read_write> normaliser: array<vec2<f32>>; // [rows]
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(ROW_LANES)
fn log_normaliser(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let row = workgroup_index(grid);
  if (row >= params.row_count) {
    return;
  }
  let start = row * params.lane4s_per_row;
  // Lanes without a Lane4 start from the first one: WGSL may assume that no infinity occurs.
  var lane_greatest = lane4_max(logits[start]);
  var exponentials = Lane4(0.0);
  var i = lane;
  // Four Lane4s at a time: one rescaling for all, and four loads under way at once.
  for (; i + 3u * ROW_LANES < params.lane4s_per_row; i += 4u * ROW_LANES) {
    let at = start + i;
    let a = logits[at];
    let b = logits[at + ROW_LANES];
    let c = logits[at + 2u * ROW_LANES];
    let d = logits[at + 3u * ROW_LANES];
    let next = max(lane_greatest, lane4_max(max(max(a, b), max(c, d))));
    exponentials = exponentials * exp(lane_greatest - next) + ((exp(a - next) + exp(b - next)) + (exp(c - next) + exp(d - next)));
    lane_greatest = next;
  }
  for (; i < params.lane4s_per_row; i += ROW_LANES) {
    let a = logits[start + i];
    let next = max(lane_greatest, lane4_max(a));
    exponentials = exponentials * exp(lane_greatest - next) + exp(a - next);
    lane_greatest = next;
  }
  let greatest = row_max(lane_greatest, lane);
  let total = row_sum(lane4_sum(exponentials * exp(lane_greatest - greatest)), lane);
  if (lane != 0u) {
    return;
  }
  if (params.is_first != 0u) {
    normaliser[row] = vec2<f32>(greatest, total);
    return;
  }
  let known = normaliser[row];
  let of_both = max(known.x, greatest);
  normaliser[row] = vec2<f32>(of_both, known.y * exp(known.x - of_both) + total * exp(greatest - of_both));
}
