// output = (accumulate ? output : 0) + scale * the sum of the slices, in their order: the second pass of a product that was sliced along
// its depth. An invocation owns one element.
// with: grid
struct Params {
  size: u32, // M * N
  slices: u32,
  accumulate: u32, // 0: =, 1: +=
  scale: f32,
}

@group(0) @binding(0) var<storage, read> partial_products: array<f32>; // [slices, M, N]
@group(0) @binding(1) var<storage, read_write> output: array<f32>; // [M, N]
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn matmul_slices(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let i = workgroup_index(grid) * 64u + lane;
  if (i >= params.size) {
    return;
  }
  var sum = 0.0;
  for (var slice = 0u; slice < params.slices; slice++) {
    sum += partial_products[slice * params.size + i];
  }
  var value = params.scale * sum;
  if (params.accumulate != 0u) {
    value += output[i];
  }
  output[i] = value;
}
