// output = alpha * input + beta * output, elementwise; beta = 0 does not read the output, so it may hold anything.
// One Lane4 an invocation; buffers are padded to whole Lane4s.
// with: grid
struct Params {
  lane4_count: u32, // elements / 4, rounded up
  alpha: f32,
  beta: f32,
}

@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>; // [Lane4s]
@group(0) @binding(1) var<storage, read_write> output: array<vec4<f32>>; // [Lane4s]
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn axpy(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let i = workgroup_index(grid) * 64u + lane;
  if (i >= params.lane4_count) {
    return;
  }
  var sum = params.alpha * input[i];
  if (params.beta != 0.0) {
    sum += params.beta * output[i];
  }
  output[i] = sum;
}
