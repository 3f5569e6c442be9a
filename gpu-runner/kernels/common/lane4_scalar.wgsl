// Columns one by one, for any row length: a Lane4 is one element. Same names as lane4_vec4.
alias Lane4 = f32;
const LANE4_SIZE: u32 = 1u;

fn lane4_sum(x: Lane4) -> f32 {
  return x;
}

fn lane4_max(x: Lane4) -> f32 {
  return x;
}

fn lane4_one_hot(column: u32, wanted: u32) -> Lane4 {
  return select(0.0, 1.0, column == wanted);
}

fn lane4_of(four: vec4<f32>, column: u32) -> Lane4 {
  return four[column & 3u];
}

fn lane4_element(x: Lane4, column: u32) -> f32 {
  return x;
}
