// output[b, h] = the sums of paged_attention over the pages of sequence b, brought to one maximum and divided by their weights.
// One Lane4 of a head an invocation; the pages in their order, f32 accumulation.
// with: grid, paged_keys
@group(0) @binding(0) var<storage, read> sums: array<vec4<f32>>; // [B, pages_per_row, H, D]
@group(0) @binding(1) var<storage, read> statistics: array<vec2<f32>>; // [B, pages_per_row, H]
@group(0) @binding(2) var<storage, read> lengths: array<u32>; // [B]
@group(0) @binding(3) var<storage, read_write> output: array<vec4<f32>>; // [B, H * D], =

@compute @workgroup_size(64)
fn paged_attention_join(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let index = workgroup_index(grid) * 64u + lane;
  let row = index / (params.head_count * params.head_lane4s);
  if (row >= params.row_count) {
    return;
  }
  let head = index / params.head_lane4s % params.head_count;
  let length = lengths[row];
  let first_page = row * params.pages_per_row;
  let end = first_page + (length + PAGE_SIZE - 1u) / PAGE_SIZE;
  let begin = first_page + first_visible(length) / PAGE_SIZE;
  var greatest = statistics[begin * params.head_count + head].x;
  for (var page = begin + 1u; page < end; page++) {
    greatest = max(greatest, statistics[page * params.head_count + head].x);
  }
  var sum = vec4<f32>();
  var total = 0.0;
  for (var page = begin; page < end; page++) {
    let at = page * params.head_count + head;
    let weight = exp(statistics[at].x - greatest);
    sum += weight * sums[at * params.head_lane4s + index % params.head_lane4s];
    total += weight * statistics[at].y;
  }
  output[index] = sum / total;
}
