// A frozen second operand in int8 or nf4, rows multiples of four long; four weights are in one word. Needs weights_int8 or weights_nf4.
// with: operands_vec4
alias RightElement = u32;

const BLOCK_COLUMNS: u32 = 64u;

fn right_four(line: u32, at: u32, lines: u32, length: u32) -> vec4<f32> {
  let is_inside = line < lines && at < length;
  let words_per_line = (length + CODES_PER_WORD - 1u) / CODES_PER_WORD;
  let blocks_per_line = (length + BLOCK_COLUMNS - 1u) / BLOCK_COLUMNS;
  let word = b[select(0u, line * words_per_line + at / CODES_PER_WORD, is_inside)];
  let block_scale = scales[select(0u, line * blocks_per_line + at / BLOCK_COLUMNS, is_inside)];
  return select(vec4<f32>(), decode_weights(word, 0u, at % CODES_PER_WORD) * block_scale, is_inside);
}
