// output[r] = input[rows[r] - first_input_row]. Embedding look-up, and the choice of prediction rows. Rows that lie in another range of
// a matrix in several buffers are left alone. One Lane4 of a row an invocation.
// with: grid
struct Params {
  row_count: u32, // R
  lane4s_per_row: u32, // C / LANE4_SIZE
  first_input_row: u32, // where the range that is bound begins
  input_row_count: u32, // T, its rows
}

@group(0) @binding(0) var<storage, read> input: array<Lane4>; // [T, C], a range of a matrix or all of it
@group(0) @binding(1) var<storage, read> rows: array<u32>; // [R], rows of the matrix
@group(0) @binding(2) var<storage, read_write> output: array<Lane4>; // [R, C], =
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn gather_rows(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let index = workgroup_index(grid) * 64u + lane;
  let row = index / params.lane4s_per_row;
  if (row >= params.row_count) {
    return;
  }
  // Before the range the difference wraps around, to beyond its end.
  let input_row = rows[row] - params.first_input_row;
  if (input_row >= params.input_row_count) {
    return;
  }
  output[index] = input[input_row * params.lane4s_per_row + index % params.lane4s_per_row];
}
