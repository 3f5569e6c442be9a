// output = activation(gate) * up, the activation by variant: silu (SwiGLU) or gelu_tanh (GeGLU). Shazeer, "GLU Variants Improve
// Transformer", arXiv 2002.05202. One Lane4 an invocation; buffers are padded to whole Lane4s.
// with: grid, lane4_vec4
struct Params {
  lane4_count: u32, // elements / 4, rounded up
}

@group(0) @binding(0) var<storage, read> gate: array<Lane4>; // [Lane4s]
@group(0) @binding(1) var<storage, read> up: array<Lane4>; // [Lane4s]
@group(0) @binding(2) var<storage, read_write> output: array<Lane4>; // [Lane4s], =
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn gated_activation(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let i = workgroup_index(grid) * 64u + lane;
  if (i >= params.lane4_count) {
    return;
  }
  output[i] = activation(gate[i]) * up[i];
}
