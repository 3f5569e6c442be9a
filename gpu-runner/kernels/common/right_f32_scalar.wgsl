// A second operand in f32, of any row length. As left_four of operands_scalar.
// with: operands_scalar
alias RightElement = f32;

fn right_four(line: u32, at: u32, lines: u32, length: u32) -> vec4<f32> {
  let is_inside = inside_of(line, at, lines, length);
  let i = places_of(line, at, length, is_inside);
  return select(vec4<f32>(), vec4<f32>(b[i.x], b[i.y], b[i.z], b[i.w]), is_inside);
}
