// Columns four at a time, for row lengths that are a multiple of 4. Same names as lane4_scalar.
alias Lane4 = vec4<f32>;
const LANE4_SIZE: u32 = 4u;

fn lane4_sum(x: Lane4) -> f32 {
  return (x.x + x.y) + (x.z + x.w);
}

fn lane4_max(x: Lane4) -> f32 {
  return max(max(x.x, x.y), max(x.z, x.w));
}

// 1 where the Lane4 starting at `column` covers `wanted`, else 0.
fn lane4_one_hot(column: u32, wanted: u32) -> Lane4 {
  return select(Lane4(0.0), Lane4(1.0), vec4<u32>(column, column + 1u, column + 2u, column + 3u) == vec4<u32>(wanted));
}

// The Lane4 that starts at `column` out of the four columns around it.
fn lane4_of(four: vec4<f32>, column: u32) -> Lane4 {
  return four;
}

// The element at `column` of the Lane4 that covers it.
fn lane4_element(x: Lane4, column: u32) -> f32 {
  return x[column & 3u];
}
