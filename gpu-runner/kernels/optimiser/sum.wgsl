// output[0] = sum of input, always in the same order. One workgroup. f32 accumulation.
struct Params {
  element_count: u32, // N
}

@group(0) @binding(0) var<storage, read> input: array<f32>; // [N]
@group(0) @binding(1) var<storage, read_write> output: array<f32>; // [1], =
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(ROW_LANES)
fn sum(@builtin(local_invocation_index) lane: u32) {
  var partial = 0.0;
  for (var i = lane; i < params.element_count; i += ROW_LANES) {
    partial += input[i];
  }
  let total = row_sum(partial, lane);
  if (lane == 0u) {
    output[0] = total;
  }
}
