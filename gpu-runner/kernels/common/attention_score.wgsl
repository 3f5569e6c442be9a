// A scaled score, soft-capped where the model caps it (before the mask), and the derivative that comes with the cap.
// Without SOFT_CAP both fall away when the pipeline is built.
// with: stable_tanh
const SMALLEST: f32 = -3.0e38; // stands for minus infinity, which WGSL may assume away

override SOFT_CAP: bool = false;

fn attention_score(scaled: Lane4, cap: f32) -> Lane4 {
  if (SOFT_CAP) {
    return soft_capped(scaled, cap);
  }
  return scaled;
}

// d_scaled from the gradient of the score.
fn attention_score_backward(score: Lane4, d_score: Lane4, cap: f32) -> Lane4 {
  if (SOFT_CAP) {
    return d_score * soft_cap_slope(score, cap);
  }
  return d_score;
}
