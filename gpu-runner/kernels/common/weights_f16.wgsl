// Packed weights in IEEE binary16: two in a word. By integer arithmetic, because unpack2x16float may flush subnormal values to zero,
// and weights below 6.1e-5 are subnormal.
const CODES_PER_WORD: u32 = 2u;
const HAS_SCALES: bool = false;

// Four neighbouring weights, the first in the lower half of `first`. `place` is the first one's place in its word.
fn unpack_weights(first: u32, second: u32, place: u32) -> vec4<f32> {
  let halves = vec4<u32>(first & 0xffffu, first >> 16u, second & 0xffffu, second >> 16u);
  let sign = (halves & vec4<u32>(0x8000u)) << vec4<u32>(16u);
  let magnitude = halves & vec4<u32>(0x7fffu);
  // Exponents are 112 apart; a subnormal value is a multiple of 2⁻²⁴.
  let normal = (magnitude << vec4<u32>(13u)) + vec4<u32>(112u << 23u);
  let subnormal = bitcast<vec4<u32>>(vec4<f32>(magnitude) * 0x1p-24);
  return bitcast<vec4<f32>>(sign | select(normal, subnormal, magnitude < vec4<u32>(0x400u)));
}
