// partials[b] = sum over the rows t of block b of input[t]: the first stage of a column sum. One Lane4 of a block an invocation.
// with: column_blocks
@group(0) @binding(0) var<storage, read> input: array<Lane4>; // [T, N]
@group(0) @binding(1) var<storage, read_write> partials: array<Lane4>; // [blocks, N], =

// Of row `row` the Lane4 at `at`.
fn term(row: u32, at: u32) -> Lane4 {
  return input[at];
}

@compute @workgroup_size(64)
fn column_partials(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let index = workgroup_index(grid) * 64u + lane;
  if (index / params.lane4s_per_row < params.block_count) {
    partials[index] = block_sum(index);
  }
}
