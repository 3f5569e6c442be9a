// What paged_attention_scores and paged_attention compute, in one kernel for 8-lane subgroups: of every page of keys the sums of weighted
// values and (greatest score, sum of the weights) of each head, which paged_attention_join puts together.
// One subgroup owns a (sequence, page, key-value head) and up to HEADS of its query heads, so that keys and values are read once for these.
// Lane l holds the scores of positions 4 l .. 4 l + 3 of the page, and the sums of every eighth Lane4 of channels. f32 accumulation in the
// order of positions; those that are not seen are not read as values, since they may hold anything.
// with: grid, paged_keys, attention_score, lane4_vec4
const LANES: u32 = 8u;
const HEADS: u32 = 4u;

@group(0) @binding(0) var<storage, read> query: array<vec4<f32>>; // [B, H * D]
@group(0) @binding(1) var<storage, read> keys: array<vec4<f32>>; // [S, KV * D]
@group(0) @binding(2) var<storage, read> values: array<vec4<f32>>; // [S, KV * D]
@group(0) @binding(3) var<storage, read> pages: array<u32>; // [B, pages_per_row]
@group(0) @binding(4) var<storage, read> lengths: array<u32>; // [B]
@group(0) @binding(5) var<storage, read_write> sums: array<vec4<f32>>; // [B, pages_per_row, H, D], = for pages with a visible key
@group(0) @binding(6) var<storage, read_write> statistics: array<vec2<f32>>; // [B, pages_per_row, H], = for pages with a visible key

fn greatest_of(four: vec4<f32>) -> f32 {
  return subgroupMax(max(max(four.x, four.y), max(four.z, four.w)));
}

@compute @workgroup_size(LANES)
fn paged_attention_subgroup(grid: Grid, @builtin(subgroup_invocation_id) lane: u32) {
  let chunks = (params.group_size + HEADS - 1u) / HEADS;
  let key_heads = params.head_count / params.group_size;
  let index = workgroup_index(grid);
  let page = index / (chunks * key_heads);
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
  let first_head = index / chunks % key_heads * params.group_size;
  let first_of_chunk = index % chunks * HEADS;
  // Past the group's end its last head is computed again and not stored.
  let heads = first_head + min(first_of_chunk + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.group_size - 1u));
  let at_queries = (row * params.head_count + heads) * params.head_lane4s;
  let slot = slot_of(pages[page], first_position);
  let stride = lane4_of_slot(1u, 0u);
  let first_lane4 = lane4_of_slot(slot, first_head);
  let at_keys = first_lane4 + (4u * lane + vec4<u32>(0u, 1u, 2u, 3u)) * stride;
  var scores: array<vec4<f32>, HEADS>;
  for (var p = 0u; p < params.head_lane4s; p += LANES) {
    let own = at_queries + min(p + lane, params.head_lane4s - 1u);
    let q = mat4x4<f32>(query[own.x], query[own.y], query[own.z], query[own.w]);
    for (var j = 0u; j < min(LANES, params.head_lane4s - p); j++) {
      let k = at_keys + p + j;
      let of_keys = transpose(mat4x4<f32>(keys[k.x], keys[k.y], keys[k.z], keys[k.w]));
      for (var h = 0u; h < HEADS; h++) {
        scores[h] += of_keys * subgroupShuffle(q[h], j);
      }
    }
  }
  let positions = first_position + 4u * lane + vec4<u32>(0u, 1u, 2u, 3u);
  let is_visible = (positions >= vec4<u32>(begin)) & (positions < vec4<u32>(end));
  var weights: array<vec4<f32>, HEADS>;
  for (var h = 0u; h < HEADS; h++) {
    let score = select(vec4<f32>(SMALLEST), attention_score(params.scale * scores[h], params.soft_cap), is_visible);
    let greatest = greatest_of(score);
    weights[h] = select(vec4<f32>(), exp(score - greatest), is_visible);
    let total = subgroupAdd((weights[h].x + weights[h].y) + (weights[h].z + weights[h].w));
    if (lane == 0u && first_of_chunk + h < params.group_size) {
      statistics[page * params.head_count + heads[h]] = vec2<f32>(greatest, total);
    }
  }
  for (var block = 0u; block < params.head_lane4s; block += LANES) {
    let lane4 = block + lane;
    let at_values = first_lane4 + min(lane4, params.head_lane4s - 1u);
    var sum = array<vec4<f32>, HEADS>();
    for (var n = begin - first_position; n < end - first_position; n++) {
      let v = values[at_values + n * stride];
      for (var h = 0u; h < HEADS; h++) {
        sum[h] += subgroupShuffle(weights[h][n % 4u], n / 4u) * v;
      }
    }
    for (var h = 0u; h < HEADS; h++) {
      if (lane4 < params.head_lane4s && first_of_chunk + h < params.group_size) {
        sums[(page * params.head_count + heads[h]) * params.head_lane4s + lane4] = sum[h];
      }
    }
  }
}
