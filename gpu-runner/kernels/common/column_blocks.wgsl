// The first stage of a sum over many rows: for each block of BLOCK_ROWS rows the sum of what the kernel's `term` gives for a row, in order.
// column_sum adds the blocks up. f32 accumulation.
// with: grid
const BLOCK_ROWS: u32 = 64u;

struct Params {
  row_count: u32, // T
  lane4s_per_row: u32, // N / LANE4_SIZE
  block_count: u32, // ceil(T / BLOCK_ROWS)
}

@group(1) @binding(0) var<uniform> params: Params;

// One Lane4 of a block's sum, the `index`-th of all.
fn block_sum(index: u32) -> Lane4 {
  let i = index % params.lane4s_per_row;
  let first = index / params.lane4s_per_row * BLOCK_ROWS;
  let end = min(params.row_count, first + BLOCK_ROWS);
  var sum = Lane4(0.0);
  for (var row = first; row < end; row++) {
    sum += term(row, row * params.lane4s_per_row + i);
  }
  return sum;
}
