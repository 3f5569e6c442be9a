// Packed weights in NormalFloat-4: eight in a word, in units of their block's scale.
const CODES_PER_WORD: u32 = 8u;
const HAS_SCALES: bool = true;

// The table of shared/formats/normal-float.ts; a test compares the two.
const NORMAL_FLOAT_4 = array<f32, 16>(
  -1.0,
  -0.6961928009986877,
  -0.5250730514526367,
  -0.39491748809814453,
  -0.28444138169288635,
  -0.18477343022823334,
  -0.09105003625154495,
  0.0,
  0.07958029955625534,
  0.16093020141124725,
  0.24611230194568634,
  0.33791524171829224,
  0.44070982933044434,
  0.5626170039176941,
  0.7229568362236023,
  1.0,
);

// Four neighbouring weights of `first`, from its code number `place` (0 or 4). `second` is not used.
fn unpack_weights(first: u32, second: u32, place: u32) -> vec4<f32> {
  let codes = (vec4<u32>(first >> (4u * place)) >> vec4<u32>(0u, 4u, 8u, 12u)) & vec4<u32>(0xfu);
  return vec4<f32>(
    NORMAL_FLOAT_4[codes.x],
    NORMAL_FLOAT_4[codes.y],
    NORMAL_FLOAT_4[codes.z],
    NORMAL_FLOAT_4[codes.w],
  );
}
