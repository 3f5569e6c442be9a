// A second operand in f32, stored rows multiples of four long. As left_four of operands_vec4.
// with: operands_vec4
alias RightElement = vec4<f32>;

fn right_four(line: u32, at: u32, lines: u32, length: u32) -> vec4<f32> {
  let is_inside = line < lines && at < length;
  return select(vec4<f32>(), b[select(0u, (line * length + at) / 4u, is_inside)], is_inside);
}
