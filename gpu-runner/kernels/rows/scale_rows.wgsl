// output[r, c] = factors[r] * input[r, c]. One Lane4 of a row an invocation.
// with: grid
struct Params {
  row_count: u32, // R
  lane4s_per_row: u32, // C / LANE4_SIZE
}

@group(0) @binding(0) var<storage, read> input: array<Lane4>; // [R, C]
@group(0) @binding(1) var<storage, read> factors: array<f32>; // [R]
@group(0) @binding(2) var<storage, read_write> output: array<Lane4>; // [R, C], =
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn scale_rows(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let index = workgroup_index(grid) * 64u + lane;
  let row = index / params.lane4s_per_row;
  if (row >= params.row_count) {
    return;
  }
  output[index] = factors[row] * input[index];
}
