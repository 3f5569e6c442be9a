// Coded weights in IEEE binary16: two in a word. By integer arithmetic, because unpack2x16float may flush subnormal values to zero,
// and weights below 6.1e-5 are subnormal.
const CODES_PER_WORD: u32 = 2u;
const HAS_SCALES: bool = false;

// Four neighbouring weights, the first in the lower half of `first`. `place` is the first one's place in its word.
fn decode_weights(first: u32, second: u32, place: u32) -> vec4<f32> {
  let halves = vec4<u32>(first << 16u, first, second << 16u, second); // in the upper 16 bits
  let magnitude = (halves & vec4<u32>(0x7fff0000u)) >> vec4<u32>(3u);
  // Exponents are 112 apart. A subnormal value has no leading 1: it is read with one, of 2⁻¹⁴, which is then subtracted.
  let normal = magnitude + vec4<u32>(112u << 23u);
  let subnormal = bitcast<vec4<u32>>(bitcast<vec4<f32>>(magnitude + vec4<u32>(113u << 23u)) - 0x1p-14);
  let sign = halves & vec4<u32>(0x80000000u);
  return bitcast<vec4<f32>>(sign | select(normal, subnormal, magnitude < vec4<u32>(1u << 23u)));
}
