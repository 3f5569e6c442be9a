// output = alpha * input + beta * output, elementwise; beta = 0 does not read the output, so it may hold anything.
// One pack of four elements an invocation; buffers are padded to whole packs.
// with: grid
struct Params {
  pack_count: u32, // packs of 4 elements
  alpha: f32,
  beta: f32,
}

@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>; // [packs]
@group(0) @binding(1) var<storage, read_write> output: array<vec4<f32>>; // [packs]
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn axpy(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let pack = workgroup_index(grid) * 64u + lane;
  if (pack >= params.pack_count) {
    return;
  }
  var sum = params.alpha * input[pack];
  if (params.beta != 0.0) {
    sum += params.beta * output[pack];
  }
  output[pack] = sum;
}
