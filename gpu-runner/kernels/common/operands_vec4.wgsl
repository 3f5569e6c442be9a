// f32 operands whose stored rows are multiples of four long, read four at a time. Same names as operands_scalar.
// `line` is a stored row of `lines`, `at` the first of four places in its `length`; past either there are zeros.
alias LeftElement = vec4<f32>;

fn left_four(line: u32, at: u32, lines: u32, length: u32) -> vec4<f32> {
  let is_inside = line < lines && at < length;
  return select(vec4<f32>(), a[select(0u, (line * length + at) / 4u, is_inside)], is_inside);
}

fn low_left_four(line: u32, at: u32, lines: u32, length: u32) -> vec4<f32> {
  let is_inside = line < lines && at < length;
  return select(vec4<f32>(), low_left[select(0u, (line * length + at) / 4u, is_inside)], is_inside);
}

fn low_right_four(line: u32, at: u32, lines: u32, length: u32) -> vec4<f32> {
  let is_inside = line < lines && at < length;
  return select(vec4<f32>(), low_right[select(0u, (line * length + at) / 4u, is_inside)], is_inside);
}
