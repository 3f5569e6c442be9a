// partials[b] = sum over the rows t of block b of d_output[t] * x[t] * inverse_rms[t]: the first stage of rms_norm's d_weight.
// One Lane4 of a block an invocation.
// with: column_blocks
@group(0) @binding(0) var<storage, read> input: array<Lane4>; // [T, N]
@group(0) @binding(1) var<storage, read> inverse_rms: array<f32>; // [T]
@group(0) @binding(2) var<storage, read> d_output: array<Lane4>; // [T, N]
@group(0) @binding(3) var<storage, read_write> partials: array<Lane4>; // [blocks, N], =

// Of row `row` the Lane4 at `at`.
fn term(row: u32, at: u32) -> Lane4 {
  return d_output[at] * input[at] * inverse_rms[row];
}

@compute @workgroup_size(64)
fn rms_norm_weight_partials(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let index = workgroup_index(grid) * 64u + lane;
  if (index / params.lane4s_per_row < params.block_count) {
    partials[index] = block_sum(index);
  }
}
