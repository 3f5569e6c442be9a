// output = x * inverse_rms * (weight_offset + weight), inverse_rms = 1 / sqrt(mean(x^2) + epsilon). Zhang & Sennrich, arXiv 1910.07467.
// A workgroup owns one row. f32 accumulation.
// with: grid
struct Params {
  row_count: u32, // T
  packs_per_row: u32, // C / PACK_SIZE
  epsilon: f32,
  weight_offset: f32, // 1 where weights are stored as differences from 1 (Gemma), else 0
}

@group(0) @binding(0) var<storage, read> input: array<Pack>; // [T, C]
@group(0) @binding(1) var<storage, read> weight: array<Pack>; // [C]
@group(0) @binding(2) var<storage, read_write> output: array<Pack>; // [T, C], =
@group(0) @binding(3) var<storage, read_write> inverse_rms: array<f32>; // [T], =
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(ROW_LANES)
fn rms_norm(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let row = workgroup_index(grid);
  if (row >= params.row_count) {
    return;
  }
  let start = row * params.packs_per_row;
  var squares = Pack(0.0);
  for (var pack = lane; pack < params.packs_per_row; pack += ROW_LANES) {
    let x = input[start + pack];
    squares += x * x;
  }
  let columns = f32(params.packs_per_row * PACK_SIZE);
  let inverse = 1.0 / sqrt(row_sum(pack_sum(squares), lane) / columns + params.epsilon);
  for (var pack = lane; pack < params.packs_per_row; pack += ROW_LANES) {
    output[start + pack] = input[start + pack] * inverse * (params.weight_offset + weight[pack]);
  }
  if (lane == 0u) {
    inverse_rms[row] = inverse;
  }
}
