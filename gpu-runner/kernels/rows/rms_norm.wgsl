// output = x * inverse_rms * (weight_offset + weight), inverse_rms = 1 / sqrt(mean(x^2) + epsilon). Zhang & Sennrich, arXiv 1910.07467.
// A workgroup owns one row. f32 accumulation.
// with: grid
struct Params {
  row_count: u32, // T
  lane4s_per_row: u32, // C / LANE4_SIZE
  epsilon: f32,
  weight_offset: f32, // 1 where weights are stored as differences from 1 (Gemma), else 0
}

@group(0) @binding(0) var<storage, read> input: array<Lane4>; // [T, C]
@group(0) @binding(1) var<storage, read> weight: array<Lane4>; // [C]
@group(0) @binding(2) var<storage, read_write> output: array<Lane4>; // [T, C], =
@group(0) @binding(3) var<storage, read_write> inverse_rms: array<f32>; // [T], =
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(ROW_LANES)
fn rms_norm(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let row = workgroup_index(grid);
  if (row >= params.row_count) {
    return;
  }
  let start = row * params.lane4s_per_row;
  var squares = Lane4(0.0);
  for (var i = lane; i < params.lane4s_per_row; i += ROW_LANES) {
    let x = input[start + i];
    squares += x * x;
  }
  let columns = f32(params.lane4s_per_row * LANE4_SIZE);
  let inverse = 1.0 / sqrt(row_sum(lane4_sum(squares), lane) / columns + params.epsilon);
  for (var i = lane; i < params.lane4s_per_row; i += ROW_LANES) {
    output[start + i] = input[start + i] * inverse * (params.weight_offset + weight[i]);
  }
  if (lane == 0u) {
    inverse_rms[row] = inverse;
  }
}
