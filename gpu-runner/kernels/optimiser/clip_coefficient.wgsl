// clip = (norm, min(1, max_norm / (norm + 1e-6))), norm = sqrt(sum of squares): torch.nn.utils.clip_grad_norm_.
// max_norm = 0 turns clipping off (coefficient 1). inverse_scale undoes what the gradient was multiplied by. One invocation.
struct Params {
  max_norm: f32,
  inverse_scale: f32,
}

@group(0) @binding(0) var<storage, read> sum_of_squares: array<f32>; // [1]
@group(0) @binding(1) var<storage, read_write> clip: array<f32>; // [2], =
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(1)
fn clip_coefficient() {
  let norm = params.inverse_scale * sqrt(sum_of_squares[0]);
  clip[0] = norm;
  clip[1] = params.inverse_scale * select(1.0, min(1.0, params.max_norm / (norm + 1e-6)), params.max_norm > 0.0);
}
