// For each page of keys of a sequence by itself (as Flash-Decoding splits them): sums[b, c, h] = sum over the visible keys j of page c of
// exp(score_j - greatest) v_j, and statistics[b, c, h] = (greatest, the sum of the weights), which paged_attention_join puts together. Where
// pages begin follows from positions alone, so a sequence's sums do not depend on its neighbours.
// One Lane4 of a (sequence, page, head) an invocation; f32 accumulation in the order of positions.
// with: grid, paged_keys
@group(0) @binding(0) var<storage, read> scores: array<f32>; // [B, pages_per_row * PAGE_SIZE, H], of paged_attention_scores
@group(0) @binding(1) var<storage, read> values: array<vec4<f32>>; // [S, KV * D]
@group(0) @binding(2) var<storage, read> pages: array<u32>; // [B, pages_per_row]
@group(0) @binding(3) var<storage, read> lengths: array<u32>; // [B]
@group(0) @binding(4) var<storage, read_write> sums: array<vec4<f32>>; // [B, pages_per_row, H, D], = for pages with a visible key
@group(0) @binding(5) var<storage, read_write> statistics: array<vec2<f32>>; // [B, pages_per_row, H], = for pages with a visible key

@compute @workgroup_size(64)
fn paged_attention(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let index = workgroup_index(grid) * 64u + lane;
  let page = index / (params.head_count * params.head_lane4s);
  let row = page / params.pages_per_row;
  if (row >= params.row_count) {
    return;
  }
  let first_position = page % params.pages_per_row * PAGE_SIZE;
  let begin = max(first_position, first_visible(lengths[row]));
  let end = min(first_position + PAGE_SIZE, lengths[row]);
  if (begin >= end) {
    return;
  }
  let head = index / params.head_lane4s % params.head_count;
  let lane4 = index % params.head_lane4s;
  let first_score = row * params.pages_per_row * PAGE_SIZE * params.head_count + head;
  var greatest = scores[first_score + begin * params.head_count];
  for (var position = begin + 1u; position < end; position++) {
    greatest = max(greatest, scores[first_score + position * params.head_count]);
  }
  var sum = vec4<f32>();
  var total = 0.0;
  for (var position = begin; position < end; position++) {
    let weight = exp(scores[first_score + position * params.head_count] - greatest);
    sum += weight * values[lane4_of_slot(slot_of(pages[page], position), head) + lane4];
    total += weight;
  }
  sums[index] = sum;
  if (lane4 == 0u) {
    statistics[page * params.head_count + head] = vec2<f32>(greatest, total);
  }
}
