// A frozen second operand in bf16 or f16, rows multiples of four long: four weights are two words. Needs weights_bf16 or weights_f16.
// with: operands_vec4
alias RightElement = vec2<u32>;

fn right_four(line: u32, at: u32, lines: u32, length: u32) -> vec4<f32> {
  let is_inside = line < lines && at < length;
  let words = b[select(0u, (line * length + at) / 4u, is_inside)];
  return select(vec4<f32>(), decode_weights(words.x, words.y, 0u), is_inside);
}
