// output[targets[g] - first_output_row] += sum of d_rows[members[i]] for starts[g] <= i < starts[g + 1]: the backward pass of gather_rows.
// Groups have distinct targets and a fixed order of members, so no atomics and the same bits every time.
// Targets that lie in another range of a matrix in several buffers are left alone. One Lane4 of a target row an invocation; f32 accumulation.
// with: grid
struct Params {
  group_count: u32, // G
  lane4s_per_row: u32, // C / LANE4_SIZE
  first_output_row: u32, // where the range that is bound begins
  output_row_count: u32, // T, its rows
}

@group(0) @binding(0) var<storage, read> targets: array<u32>; // [G], rows of the matrix
@group(0) @binding(1) var<storage, read> starts: array<u32>; // [G + 1], into members
@group(0) @binding(2) var<storage, read> members: array<u32>; // [R], rows of d_rows
@group(0) @binding(3) var<storage, read> d_rows: array<Lane4>; // [R, C]
@group(0) @binding(4) var<storage, read_write> output: array<Lane4>; // [T, C], a range of the matrix or all of it, +=
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn scatter_add_rows(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let index = workgroup_index(grid) * 64u + lane;
  let group = index / params.lane4s_per_row;
  if (group >= params.group_count) {
    return;
  }
  let lane4 = index % params.lane4s_per_row;
  // Before the range the difference wraps around, to beyond its end.
  let output_row = targets[group] - params.first_output_row;
  if (output_row >= params.output_row_count) {
    return;
  }
  let target_index = output_row * params.lane4s_per_row + lane4;
  var sum = output[target_index];
  for (var i = starts[group]; i < starts[group + 1u]; i++) {
    sum += d_rows[members[i] * params.lane4s_per_row + lane4];
  }
  output[target_index] = sum;
}
