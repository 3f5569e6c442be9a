// d_gate = d_output * up * activation'(gate), d_up = d_output * activation(gate), the activation by variant as in gated_activation.
// One pack of four elements an invocation; buffers are padded to whole packs.
// with: grid, pack_vec4
struct Params {
  pack_count: u32, // packs of 4 elements
}

@group(0) @binding(0) var<storage, read> gate: array<Pack>; // [packs]
@group(0) @binding(1) var<storage, read> up: array<Pack>; // [packs]
@group(0) @binding(2) var<storage, read> d_output: array<Pack>; // [packs]
@group(0) @binding(3) var<storage, read_write> d_gate: array<Pack>; // [packs], =
@group(0) @binding(4) var<storage, read_write> d_up: array<Pack>; // [packs], =
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn gated_activation_backward(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let pack = workgroup_index(grid) * 64u + lane;
  if (pack >= params.pack_count) {
    return;
  }
  let x = gate[pack];
  let upstream = d_output[pack];
  d_gate[pack] = upstream * up[pack] * activation_slope(x);
  d_up[pack] = upstream * activation(x);
}
