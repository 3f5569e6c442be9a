// output = value. One pack of four elements an invocation; buffers are padded to whole packs.
// with: grid
struct Params {
  pack_count: u32, // packs of 4 elements
  value: f32,
}

@group(0) @binding(0) var<storage, read_write> output: array<vec4<f32>>; // [packs]
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn fill(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let pack = workgroup_index(grid) * 64u + lane;
  if (pack >= params.pack_count) {
    return;
  }
  output[pack] = vec4<f32>(params.value);
}
