// d_input (+)= inverse_rms * (gain * d_output - x * inverse_rms^2 * mean(gain * d_output * x)), gain = weight_offset + weight.
// A workgroup owns one row. f32 accumulation. `=` or `+=` by params.accumulate.
// with: grid
struct Params {
  row_count: u32, // T
  lane4s_per_row: u32, // C / LANE4_SIZE
  accumulate: u32, // 0: =, 1: +=
  weight_offset: f32,
}

@group(0) @binding(0) var<storage, read> input: array<Lane4>; // [T, C]
@group(0) @binding(1) var<storage, read> weight: array<Lane4>; // [C]
@group(0) @binding(2) var<storage, read> inverse_rms: array<f32>; // [T]
@group(0) @binding(3) var<storage, read> d_output: array<Lane4>; // [T, C]
@group(0) @binding(4) var<storage, read_write> d_input: array<Lane4>; // [T, C]
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(ROW_LANES)
fn rms_norm_backward(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let row = workgroup_index(grid);
  if (row >= params.row_count) {
    return;
  }
  let start = row * params.lane4s_per_row;
  var products = Lane4(0.0);
  for (var i = lane; i < params.lane4s_per_row; i += ROW_LANES) {
    products += (params.weight_offset + weight[i]) * d_output[start + i] * input[start + i];
  }
  let inverse = inverse_rms[row];
  let columns = f32(params.lane4s_per_row * LANE4_SIZE);
  let mean_product = row_sum(lane4_sum(products), lane) / columns * inverse * inverse;
  for (var i = lane; i < params.lane4s_per_row; i += ROW_LANES) {
    var gradient = inverse * ((params.weight_offset + weight[i]) * d_output[start + i] - input[start + i] * mean_product);
    if (params.accumulate != 0u) {
      gradient += d_input[start + i];
    }
    d_input[start + i] = gradient;
  }
}
