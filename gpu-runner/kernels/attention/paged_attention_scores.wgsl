// scores[b, j, h] = scale q[b, h] . k[j] for one new token of each sequence b and the keys that it sees, which lie in pages (PagedAttention,
// arXiv 2309.06180). Grouped-query heads: query head h reads key-value head h / (H / KV). With SOFT_CAP the scores are capped (Gemma 2).
// One (sequence, position, head) an invocation, neighbours in heads. Head size a multiple of 4.
// with: grid, paged_keys, attention_score, lane4_scalar
@group(0) @binding(0) var<storage, read> query: array<vec4<f32>>; // [B, H * D]
@group(0) @binding(1) var<storage, read> keys: array<vec4<f32>>; // [S, KV * D]
@group(0) @binding(2) var<storage, read> pages: array<u32>; // [B, pages_per_row]
@group(0) @binding(3) var<storage, read> lengths: array<u32>; // [B]
@group(0) @binding(4) var<storage, read_write> scores: array<f32>; // [B, pages_per_row * PAGE_SIZE, H], = at visible positions

@compute @workgroup_size(64)
fn paged_attention_scores(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let index = workgroup_index(grid) * 64u + lane;
  let positions = params.pages_per_row * PAGE_SIZE;
  let row = index / (positions * params.head_count);
  if (row >= params.row_count) {
    return;
  }
  let position = index / params.head_count % positions;
  if (position < first_visible(lengths[row]) || position >= lengths[row]) {
    return;
  }
  let head = index % params.head_count;
  let slot = slot_of(pages[row * params.pages_per_row + position / PAGE_SIZE], position);
  let q = (row * params.head_count + head) * params.head_lane4s;
  let k = lane4_of_slot(slot, head);
  var products = vec4<f32>();
  for (var p = 0u; p < params.head_lane4s; p++) {
    products += query[q + p] * keys[k + p];
  }
  let score = params.scale * ((products.x + products.y) + (products.z + products.w));
  scores[index] = attention_score(score, params.soft_cap);
}
