// Coded weights in bfloat16: two in a word. The same names are in weights_f16, weights_int8 and weights_nf4.
const CODES_PER_WORD: u32 = 2u;
const HAS_SCALES: bool = false;

// Four neighbouring weights, the first in the lower half of `first`. `place` is the first one's place in its word.
fn decode_weights(first: u32, second: u32, place: u32) -> vec4<f32> {
  return bitcast<vec4<f32>>(vec4<u32>(first << 16u, first & 0xffff0000u, second << 16u, second & 0xffff0000u));
}
