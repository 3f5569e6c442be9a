// Attention of one new token of each sequence over its keys in pages (PagedAttention, arXiv 2309.06180), one page at a time (as
// Flash-Decoding splits keys): sums[b, c, h] = sum over the visible keys j of page c of exp(score_j - greatest) v_j, and statistics[b, c, h]
// = (greatest, the sum of the weights). paged_attention_join puts the pages together. Where pages begin follows from positions alone, so
// a sequence's sums do not depend on its neighbours. Grouped-query heads; with SOFT_CAP the scores are capped (Gemma 2).
// One (sequence, page, head) an invocation, neighbours in heads; f32 accumulation. Head size a multiple of 4, at most 4 * HEAD_LANE4S.
// with: grid, paged_keys, attention_score, lane4_scalar
@group(0) @binding(0) var<storage, read> query: array<vec4<f32>>; // [B, H * D]
@group(0) @binding(1) var<storage, read> keys: array<vec4<f32>>; // [S, KV * D]
@group(0) @binding(2) var<storage, read> values: array<vec4<f32>>; // [S, KV * D]
@group(0) @binding(3) var<storage, read> pages: array<u32>; // [B, pages_per_row]: the page that holds each stretch of positions
@group(0) @binding(4) var<storage, read> lengths: array<u32>; // [B]: keys of the sequence, its new token's among them
@group(0) @binding(5) var<storage, read_write> sums: array<vec4<f32>>; // [B, pages_per_row, H, D], = for pages with a visible key
@group(0) @binding(6) var<storage, read_write> statistics: array<vec2<f32>>; // [B, pages_per_row, H], = for pages with a visible key

@compute @workgroup_size(64)
fn paged_attention(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let index = workgroup_index(grid) * 64u + lane;
  let page = index / params.head_count;
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
  let head = index % params.head_count;
  let start = (row * params.head_count + head) * params.head_lane4s;
  let key_stride = params.head_count / params.group_size * params.head_lane4s;
  let first_key = pages[page] * PAGE_SIZE * key_stride + head / params.group_size * params.head_lane4s;
  var q: array<vec4<f32>, HEAD_LANE4S>;
  var sum: array<vec4<f32>, HEAD_LANE4S>;
  for (var p = 0u; p < HEAD_LANE4S; p++) {
    if (p < params.head_lane4s) {
      q[p] = query[start + p] * params.scale;
    }
  }
  var greatest = SMALLEST;
  var total = 0.0;
  for (var position = begin; position < end; position++) {
    let at = first_key + (position - first_position) * key_stride;
    var products = vec4<f32>();
    for (var p = 0u; p < HEAD_LANE4S; p++) {
      if (p < params.head_lane4s) {
        products += q[p] * keys[at + p];
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
        sum[p] = sum[p] * correction + weight * values[at + p];
      }
    }
  }
  for (var p = 0u; p < HEAD_LANE4S; p++) {
    if (p < params.head_lane4s) {
      sums[index * params.head_lane4s + p] = sum[p];
    }
  }
  statistics[index] = vec2<f32>(greatest, total);
}
