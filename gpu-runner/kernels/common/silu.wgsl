// silu(x) = x / (1 + exp(-x)). Same names as gelu_tanh. Below -80 exp(-x) nears the largest f32; silu is 0 to rounding there.
fn activation(x: Lane4) -> Lane4 {
  return x / (1.0 + exp(-max(x, Lane4(-80.0))));
}

fn activation_slope(x: Lane4) -> Lane4 {
  let sigmoid = 1.0 / (1.0 + exp(-max(x, Lane4(-80.0))));
  return sigmoid * (1.0 + x * (1.0 - sigmoid));
}
