// output[r, c] = input[r, c] + bias[c]. One Lane4 of a row an invocation.
// with: grid
struct Params {
  row_count: u32, // T
  lane4s_per_row: u32, // N / LANE4_SIZE
}

@group(0) @binding(0) var<storage, read> input: array<Lane4>; // [T, N]
@group(0) @binding(1) var<storage, read> bias: array<Lane4>; // [N]
@group(0) @binding(2) var<storage, read_write> output: array<Lane4>; // [T, N], =
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn add_row_bias(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let index = workgroup_index(grid) * 64u + lane;
  if (index / params.lane4s_per_row >= params.row_count) {
    return;
  }
  output[index] = input[index] + bias[index % params.lane4s_per_row];
}
