// Sums over the exponentials of a lane's share of a row, in one pass over the row: they are relative to the largest logit seen so far,
// and what was summed is rescaled when a larger one comes (Milakov and Gimelshein, arXiv 1805.02867). Needs a Lane4 module.
struct RowSums {
  greatest: f32, // the largest logit seen
  exponentials: Lane4, // exp(logit - greatest)
  squares: Lane4, // their squares
  weighted: Lane4, // exp(logit - greatest) * (logit - greatest)
}

// A lane's sums before its first logit. `seen` is any logit of the row: WGSL may assume that no infinity occurs.
fn no_row_sums(seen: Lane4) -> RowSums {
  return RowSums(lane4_max(seen), Lane4(0.0), Lane4(0.0), Lane4(0.0));
}

// The same sums relative to `greatest`, which is at least their own.
fn rescaled(sums: RowSums, greatest: f32) -> RowSums {
  let shift = sums.greatest - greatest;
  let factor = exp(shift);
  let exponentials = factor * sums.exponentials;
  return RowSums(greatest, exponentials, factor * factor * sums.squares, factor * sums.weighted + shift * exponentials);
}

fn with_lane4(sums: RowSums, logits: Lane4) -> RowSums {
  let shifted = logits - sums.greatest;
  let exponentials = exp(shifted);
  return RowSums(
    sums.greatest,
    sums.exponentials + exponentials,
    sums.squares + exponentials * exponentials,
    sums.weighted + exponentials * shifted,
  );
}
