// partials[offset + b] = sum of squares of block b (BLOCK_SIZE elements) of one tensor: the first stage of a global norm.
// A workgroup owns one block. f32 accumulation.
// with: grid
const BLOCK_SIZE: u32 = 4096u;

struct Params {
  element_count: u32, // N
  block_count: u32, // ceil(N / BLOCK_SIZE)
  offset: u32, // first of this tensor's partials
}

@group(0) @binding(0) var<storage, read> input: array<f32>; // [N]
@group(0) @binding(1) var<storage, read_write> partials: array<f32>; // [all blocks], =
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(ROW_LANES)
fn sum_of_squares_partials(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let block = workgroup_index(grid);
  if (block >= params.block_count) {
    return;
  }
  let end = min(params.element_count, (block + 1u) * BLOCK_SIZE);
  var squares = 0.0;
  for (var i = block * BLOCK_SIZE + lane; i < end; i += ROW_LANES) {
    squares += input[i] * input[i];
  }
  let total = row_sum(squares, lane);
  if (lane == 0u) {
    partials[params.offset + block] = total;
  }
}
