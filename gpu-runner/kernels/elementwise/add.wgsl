// output = left + right, elementwise. One pack of four elements an invocation; buffers are padded to whole packs.
// with: grid
struct Params {
  pack_count: u32, // packs of 4 elements
}

@group(0) @binding(0) var<storage, read> left: array<vec4<f32>>; // [packs]
@group(0) @binding(1) var<storage, read> right: array<vec4<f32>>; // [packs]
@group(0) @binding(2) var<storage, read_write> output: array<vec4<f32>>; // [packs]
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn add(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let pack = workgroup_index(grid) * 64u + lane;
  if (pack >= params.pack_count) {
    return;
  }
  output[pack] = left[pack] + right[pack];
}
