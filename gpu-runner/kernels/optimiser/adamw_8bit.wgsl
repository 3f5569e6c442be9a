// AdamW as in adamw, with moments kept as 8-bit codes of a value map and one scale a block of 256 elements (Dettmers et al., "8-bit
// Optimizers via Block-wise Quantization", arXiv 2110.02861): moments are expanded to f32, updated, used, and rounded to the nearest
// code of their block's new largest magnitude. A positive second moment never becomes 0, or the next step might divide by epsilon alone.
// A workgroup owns a block; four elements an invocation at a time, computed twice so that no register array depends on ROW_LANES.
// with: grid
const BLOCK_LANE4S: u32 = 64u; // 256 elements

// Parts of `maps`: the values of all 256 codes, ascending, and the 255 midpoints between them.
const FIRST_VALUES: u32 = 0u;
const SECOND_VALUES: u32 = 256u;
const FIRST_MIDPOINTS: u32 = 512u;
const SECOND_MIDPOINTS: u32 = 768u;

struct Params {
  element_count: u32, // N
  block_count: u32, // ceil(N / 256)
  decay: f32, // 1 - lr * weight_decay
  step_size: f32, // lr / (1 - beta1^step)
  one_minus_beta1: f32,
  beta2: f32,
  one_minus_beta2: f32,
  inverse_sqrt_correction2: f32, // 1 / sqrt(1 - beta2^step)
  epsilon: f32,
}

@group(0) @binding(0) var<storage, read> gradient: array<vec4<f32>>; // [Lane4s]
@group(0) @binding(1) var<storage, read> clip: array<u32>; // [2]: bits of norm, coefficient
@group(0) @binding(2) var<storage, read> maps: array<f32>; // [4, 256], see above
@group(0) @binding(3) var<storage, read_write> parameter: array<vec4<f32>>; // [Lane4s], =
@group(0) @binding(4) var<storage, read_write> first_codes: array<u32>; // [Lane4s], 4 codes each, =
@group(0) @binding(5) var<storage, read_write> first_scales: array<f32>; // [blocks], =
@group(0) @binding(6) var<storage, read_write> second_codes: array<u32>; // [Lane4s], 4 codes each, =
@group(0) @binding(7) var<storage, read_write> second_scales: array<f32>; // [blocks], =
@group(1) @binding(0) var<uniform> params: Params;

struct Moments {
  first: vec4<f32>,
  second: vec4<f32>,
}

fn expanded(codes: u32, values: u32) -> vec4<f32> {
  let at = (vec4<u32>(codes) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u);
  return vec4<f32>(maps[values + at.x], maps[values + at.y], maps[values + at.z], maps[values + at.w]);
}

// The codes of the nearest values: how many midpoints lie below, by bisection.
fn nearest_codes(values: vec4<f32>, midpoints: u32) -> vec4<u32> {
  var codes = vec4<u32>();
  for (var step = 128u; step > 0u; step /= 2u) {
    let at = codes + (midpoints + step - 1u);
    let below = vec4<f32>(maps[at.x], maps[at.y], maps[at.z], maps[at.w]) < values;
    codes += select(vec4<u32>(0u), vec4<u32>(step), below);
  }
  return codes;
}

fn word_of(codes: vec4<u32>) -> u32 {
  return codes.x | (codes.y << 8u) | (codes.z << 16u) | (codes.w << 24u);
}

// The new moments of a Lane4 from the old codes and scales; 0 past the last element, whose gradient may be anything.
fn updated(i: u32, first_scale: f32, second_scale: f32) -> Moments {
  let g = gradient[i] * bitcast<f32>(clip[1]);
  let old_first = expanded(first_codes[i], FIRST_VALUES) * first_scale;
  let old_second = expanded(second_codes[i], SECOND_VALUES) * second_scale;
  let first = old_first + params.one_minus_beta1 * (g - old_first);
  let second = params.beta2 * old_second + params.one_minus_beta2 * g * g;
  let is_element = vec4<u32>(0u, 1u, 2u, 3u) + 4u * i < vec4<u32>(params.element_count);
  return Moments(select(vec4<f32>(0.0), first, is_element), select(vec4<f32>(0.0), second, is_element));
}

fn largest(values: vec4<f32>) -> f32 {
  return max(max(values.x, values.y), max(values.z, values.w));
}

@compute @workgroup_size(ROW_LANES)
fn adamw_8bit(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let block = workgroup_index(grid);
  // A norm that is not finite changes nothing; by bits, since WGSL may assume that an f32 is finite.
  if (block >= params.block_count || (clip[0] & 0x7f800000u) == 0x7f800000u) {
    return;
  }
  let first_scale = first_scales[block];
  let second_scale = second_scales[block];
  let end = min((params.element_count + 3u) / 4u, (block + 1u) * BLOCK_LANE4S);
  var first_max = 0.0;
  var second_max = 0.0;
  for (var i = block * BLOCK_LANE4S + lane; i < end; i += ROW_LANES) {
    let moments = updated(i, first_scale, second_scale);
    first_max = max(first_max, largest(abs(moments.first)));
    second_max = max(second_max, largest(moments.second));
  }
  let new_first_scale = row_max(first_max, lane);
  let new_second_scale = row_max(second_max, lane);
  // In a block of zeros any code stands for 0.
  let first_divisor = select(1.0, new_first_scale, new_first_scale > 0.0);
  let second_divisor = select(1.0, new_second_scale, new_second_scale > 0.0);
  for (var i = block * BLOCK_LANE4S + lane; i < end; i += ROW_LANES) {
    let moments = updated(i, first_scale, second_scale);
    let denominator = sqrt(moments.second) * params.inverse_sqrt_correction2 + params.epsilon;
    parameter[i] = parameter[i] * params.decay - params.step_size * moments.first / denominator;
    first_codes[i] = word_of(nearest_codes(moments.first / first_divisor, FIRST_MIDPOINTS));
    let codes = nearest_codes(moments.second / second_divisor, SECOND_MIDPOINTS);
    second_codes[i] = word_of(max(codes, select(vec4<u32>(0u), vec4<u32>(1u), moments.second > vec4<f32>(0.0))));
  }
  if (lane == 0u) {
    first_scales[block] = new_first_scale;
    second_scales[block] = new_second_scale;
  }
}
