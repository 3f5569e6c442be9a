// d_gate = d_output * up * activation'(gate), d_up = d_output * activation(gate), the activation by variant as in gated_activation.
// One Lane4 an invocation; buffers are padded to whole Lane4s.
// with: grid, lane4_vec4
struct Params {
  lane4_count: u32, // elements / 4, rounded up
}

@group(0) @binding(0) var<storage, read> gate: array<Lane4>; // [Lane4s]
@group(0) @binding(1) var<storage, read> up: array<Lane4>; // [Lane4s]
@group(0) @binding(2) var<storage, read> d_output: array<Lane4>; // [Lane4s]
@group(0) @binding(3) var<storage, read_write> d_gate: array<Lane4>; // [Lane4s], =
@group(0) @binding(4) var<storage, read_write> d_up: array<Lane4>; // [Lane4s], =
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn gated_activation_backward(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let i = workgroup_index(grid) * 64u + lane;
  if (i >= params.lane4_count) {
    return;
  }
  let x = gate[i];
  let upstream = d_output[i];
  d_gate[i] = upstream * up[i] * activation_slope(x);
  d_up[i] = upstream * activation(x);
}
