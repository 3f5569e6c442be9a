// destination[r, to_start + c] = source[r, from_start + c]: columns between two row-major matrices of different width. One Lane4 an invocation.
// with: grid
struct Params {
  row_count: u32, // R
  lane4s_per_row: u32, // columns that are copied / LANE4_SIZE
  from_stride: u32, // Lane4s in a row of `source`
  from_start: u32, // Lane4 of a row of `source` that is copied first
  to_stride: u32, // the same of `destination`
  to_start: u32,
}

@group(0) @binding(0) var<storage, read> source: array<Lane4>; // [R, from_stride Lane4s]
@group(0) @binding(1) var<storage, read_write> destination: array<Lane4>; // [R, to_stride Lane4s], = in the columns that are copied
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn copy_columns(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let index = workgroup_index(grid) * 64u + lane;
  let row = index / params.lane4s_per_row;
  if (row >= params.row_count) {
    return;
  }
  let i = index % params.lane4s_per_row;
  destination[row * params.to_stride + params.to_start + i] = source[row * params.from_stride + params.from_start + i];
}
