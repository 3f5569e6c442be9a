// Coded weights in int8: four in a word, in units of their block's scale.
const CODES_PER_WORD: u32 = 4u;
const HAS_SCALES: bool = true;

// Four neighbouring weights, the first in the lowest byte of `first`. `second` and `place` are not used.
fn decode_weights(first: u32, second: u32, place: u32) -> vec4<f32> {
  return vec4<f32>(bitcast<vec4<i32>>(vec4<u32>(first << 24u, first << 16u, first << 8u, first)) >> vec4<u32>(24u));
}
