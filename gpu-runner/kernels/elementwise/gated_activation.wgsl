// output = activation(gate) * up, the activation by variant: silu (SwiGLU) or gelu_tanh (GeGLU). Shazeer, "GLU Variants Improve
// Transformer", arXiv 2002.05202. One pack of four elements an invocation; buffers are padded to whole packs.
// with: grid, pack_vec4
struct Params {
  pack_count: u32, // packs of 4 elements
}

@group(0) @binding(0) var<storage, read> gate: array<Pack>; // [packs]
@group(0) @binding(1) var<storage, read> up: array<Pack>; // [packs]
@group(0) @binding(2) var<storage, read_write> output: array<Pack>; // [packs], =
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn gated_activation(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let pack = workgroup_index(grid) * 64u + lane;
  if (pack >= params.pack_count) {
    return;
  }
  output[pack] = activation(gate[pack]) * up[pack];
}
