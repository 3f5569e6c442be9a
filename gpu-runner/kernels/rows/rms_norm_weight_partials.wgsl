// partials[b] = sum over the rows t of block b of d_output[t] * x[t] * inverse_rms[t]: the first stage of rms_norm's d_weight.
// Blocks have BLOCK_ROWS rows; column_sum adds them up in order. One pack of a block an invocation; f32 accumulation.
// with: grid
const BLOCK_ROWS: u32 = 64u;

struct Params {
  row_count: u32, // T
  packs_per_row: u32, // C / PACK_SIZE
  block_count: u32, // ceil(T / BLOCK_ROWS)
}

@group(0) @binding(0) var<storage, read> input: array<Pack>; // [T, C]
@group(0) @binding(1) var<storage, read> inverse_rms: array<f32>; // [T]
@group(0) @binding(2) var<storage, read> d_output: array<Pack>; // [T, C]
@group(0) @binding(3) var<storage, read_write> partials: array<Pack>; // [blocks, C], =
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn rms_norm_weight_partials(
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
    let at = row * params.packs_per_row + pack;
    sum += d_output[at] * input[at] * inverse_rms[row];
  }
  partials[index] = sum;
}
