// output += sum of the rows of input, in order. One Lane4 of columns an invocation; f32 accumulation.
// with: grid
struct Params {
  row_count: u32, // R
  lane4s_per_row: u32, // C / LANE4_SIZE
}

@group(0) @binding(0) var<storage, read> input: array<Lane4>; // [R, C]
@group(0) @binding(1) var<storage, read_write> output: array<Lane4>; // [C], +=
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn column_sum(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let i = workgroup_index(grid) * 64u + lane;
  if (i >= params.lane4s_per_row) {
    return;
  }
  var sum = output[i];
  for (var row = 0u; row < params.row_count; row++) {
    sum += input[row * params.lane4s_per_row + i];
  }
  output[i] = sum;
}
