// partials[b] = sum over the rows t of block b of input[t]: the first stage of a column sum over many rows.
// Blocks have BLOCK_ROWS rows; column_sum adds them up in order. One pack of a block an invocation; f32 accumulation.
// with: grid
const BLOCK_ROWS: u32 = 64u;

struct Params {
  row_count: u32, // T
  packs_per_row: u32, // N / PACK_SIZE
  block_count: u32, // ceil(T / BLOCK_ROWS)
}

@group(0) @binding(0) var<storage, read> input: array<Pack>; // [T, N]
@group(0) @binding(1) var<storage, read_write> partials: array<Pack>; // [blocks, N], =
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn column_partials(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = workgroup_index(workgroup, workgroups) * 64u + lane;
  let block = index / params.packs_per_row;
  if (block >= params.block_count) {
    return;
  }
  let pack = index % params.packs_per_row;
  let end = min(params.row_count, (block + 1u) * BLOCK_ROWS);
  var sum = Pack(0.0);
  for (var row = block * BLOCK_ROWS; row < end; row++) {
    sum += input[row * params.packs_per_row + pack];
  }
  partials[index] = sum;
}
