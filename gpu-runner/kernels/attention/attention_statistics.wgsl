// statistics[i, h] = (log_sum_exp, delta), delta = d_output_i . output_i: what both halves of attention's backward pass need per row.
// One (token, head) an invocation; f32 accumulation.
// with: grid
struct Params {
  row_count: u32, // T * H
  head_lane4s: u32, // D / 4
}

@group(0) @binding(0) var<storage, read> output: array<vec4<f32>>; // [T, H * D]
@group(0) @binding(1) var<storage, read> d_output: array<vec4<f32>>; // [T, H * D]
@group(0) @binding(2) var<storage, read> log_sum_exp: array<f32>; // [T, H], nats
@group(0) @binding(3) var<storage, read_write> statistics: array<vec2<f32>>; // [T, H], =
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn attention_statistics(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let row = workgroup_index(grid) * 64u + lane;
  if (row >= params.row_count) {
    return;
  }
  var products = vec4<f32>();
  for (var p = 0u; p < params.head_lane4s; p++) {
    products += output[row * params.head_lane4s + p] * d_output[row * params.head_lane4s + p];
  }
  statistics[row] = vec2<f32>(log_sum_exp[row], (products.x + products.y) + (products.z + products.w));
}
