// output = left + right, elementwise. One Lane4 an invocation; buffers are padded to whole Lane4s.
// with: grid
struct Params {
  lane4_count: u32, // elements / 4, rounded up
}

@group(0) @binding(0) var<storage, read> left: array<vec4<f32>>; // [Lane4s]
@group(0) @binding(1) var<storage, read> right: array<vec4<f32>>; // [Lane4s]
@group(0) @binding(2) var<storage, read_write> output: array<vec4<f32>>; // [Lane4s]
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn add(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let i = workgroup_index(grid) * 64u + lane;
  if (i >= params.lane4_count) {
    return;
  }
  output[i] = left[i] + right[i];
}
