// f32 operands of any row length, read one by one. Same names as operands_vec4.
alias LeftElement = f32;

// Which of four places from `at` are inside, and where the first is.
fn inside_of(line: u32, at: u32, lines: u32, length: u32) -> vec4<bool> {
  return (vec4<u32>(at) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(length)) & vec4<bool>(line < lines);
}

fn places_of(line: u32, at: u32, length: u32, is_inside: vec4<bool>) -> vec4<u32> {
  return select(vec4<u32>(), vec4<u32>(line * length + at) + vec4<u32>(0u, 1u, 2u, 3u), is_inside);
}

fn left_four(line: u32, at: u32, lines: u32, length: u32) -> vec4<f32> {
  let is_inside = inside_of(line, at, lines, length);
  let i = places_of(line, at, length, is_inside);
  return select(vec4<f32>(), vec4<f32>(a[i.x], a[i.y], a[i.z], a[i.w]), is_inside);
}

fn low_left_four(line: u32, at: u32, lines: u32, length: u32) -> vec4<f32> {
  let is_inside = inside_of(line, at, lines, length);
  let i = places_of(line, at, length, is_inside);
  return select(vec4<f32>(), vec4<f32>(low_left[i.x], low_left[i.y], low_left[i.z], low_left[i.w]), is_inside);
}

fn low_right_four(line: u32, at: u32, lines: u32, length: u32) -> vec4<f32> {
  let is_inside = inside_of(line, at, lines, length);
  let i = places_of(line, at, length, is_inside);
  return select(vec4<f32>(), vec4<f32>(low_right[i.x], low_right[i.y], low_right[i.z], low_right[i.w]), is_inside);
}
