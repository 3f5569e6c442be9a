// AdamW as torch.optim.AdamW computes it (Loshchilov & Hutter, arXiv 1711.05101), g scaled by the clip coefficient:
//   p *= 1 - lr * weight_decay;  m += (1 - beta1) (g - m);  v = beta2 v + (1 - beta2) g^2
//   p -= step_size * m / (sqrt(v) * inverse_sqrt_correction2 + epsilon)
// Nothing is changed where the gradient's norm is not finite. Bias corrections come from the host in f64. One Lane4 an invocation; buffers are padded to whole Lane4s.
// with: grid
struct Params {
  lane4_count: u32, // elements / 4, rounded up
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
@group(0) @binding(2) var<storage, read_write> parameter: array<vec4<f32>>; // [Lane4s], =
@group(0) @binding(3) var<storage, read_write> first_moment: array<vec4<f32>>; // [Lane4s], =
@group(0) @binding(4) var<storage, read_write> second_moment: array<vec4<f32>>; // [Lane4s], =
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn adamw(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let i = workgroup_index(grid) * 64u + lane;
  // By bits, since WGSL may assume that an f32 is finite.
  if (i >= params.lane4_count || (clip[0] & 0x7f800000u) == 0x7f800000u) {
    return;
  }
  let g = gradient[i] * bitcast<f32>(clip[1]);
  let m = first_moment[i] + params.one_minus_beta1 * (g - first_moment[i]);
  let v = params.beta2 * second_moment[i] + params.one_minus_beta2 * g * g;
  first_moment[i] = m;
  second_moment[i] = v;
  let denominator = sqrt(v) * params.inverse_sqrt_correction2 + params.epsilon;
  parameter[i] = parameter[i] * params.decay - params.step_size * m / denominator;
}
