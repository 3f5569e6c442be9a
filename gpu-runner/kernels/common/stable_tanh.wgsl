// tanh within a few units in the last place for every argument, on Lane4s: WGSL's own may overflow for large arguments, and drivers
// that compute it from exponentials lose relative accuracy near 0. Up to 0.625 the odd polynomial of Cephes' tanhf.
fn stable_tanh(x: Lane4) -> Lane4 {
  let magnitude = min(abs(x), Lane4(20.0)); // tanh rounds to 1 from 9.02 on
  let large = 1.0 - 2.0 / (exp(2.0 * magnitude) + 1.0);
  let z = magnitude * magnitude;
  let high = (z * -5.70498872745e-3 + 2.06390887954e-2) * z - 5.37397155531e-2;
  let series = (high * z + 1.33314422036e-1) * z - 3.33332819422e-1;
  return sign(x) * select(large, magnitude + magnitude * z * series, magnitude < Lane4(0.625));
}

// cap * tanh(x / cap): Gemma 2's bound on attention scores and logits.
fn soft_capped(x: Lane4, cap: f32) -> Lane4 {
  return cap * stable_tanh(x / cap);
}

// d soft_capped / dx = 1 - tanh(x / cap)^2, from the capped value.
fn soft_cap_slope(capped: Lane4, cap: f32) -> Lane4 {
  let bounded = capped / cap;
  return 1.0 - bounded * bounded;
}
