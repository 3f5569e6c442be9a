// gelu(x) = x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))), the approximation of Hendrycks & Gimpel (arXiv 1606.08415) that
// torch calls approximate="tanh". Same names as silu.
// with: stable_tanh
const SQRT_2_OVER_PI: f32 = 0.7978845608028654;
const CUBIC: f32 = 0.044715;

// 1 + tanh, as 2 / (1 + exp(-2 y)) where tanh nears -1 and the sum would cancel.
fn one_plus_tanh(y: Lane4) -> Lane4 {
  let of_negative = 2.0 / (1.0 + exp(-2.0 * max(y, Lane4(-40.0))));
  return select(1.0 + stable_tanh(y), of_negative, y < Lane4(-0.625));
}

// Of |x| <= 10: gelu is x above and 0 to rounding below, and powers stay finite.
fn tanh_argument(x: Lane4) -> Lane4 {
  return SQRT_2_OVER_PI * x * (1.0 + CUBIC * x * x);
}

fn activation(x: Lane4) -> Lane4 {
  let bounded = clamp(x, Lane4(-10.0), Lane4(10.0));
  return 0.5 * max(x, Lane4(-10.0)) * one_plus_tanh(tanh_argument(bounded));
}

fn activation_slope(x: Lane4) -> Lane4 {
  let bounded = clamp(x, Lane4(-10.0), Lane4(10.0));
  let y = tanh_argument(bounded);
  // 1 - tanh^2 = (1 + tanh) (1 - tanh) = (1 + tanh) (2 - (1 + tanh))
  let inner = SQRT_2_OVER_PI * (1.0 + 3.0 * CUBIC * bounded * bounded);
  return 0.5 * one_plus_tanh(y) * (1.0 + bounded * one_plus_tanh(-y) * inner);
}
