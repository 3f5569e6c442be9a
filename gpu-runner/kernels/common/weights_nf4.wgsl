// Coded weights in NormalFloat-4: eight in a word, in units of their block's scale.
// with: nf4_table

// Four neighbouring weights of `first`, from its code number `place` (0 or 4). `second` is not used.
fn decode_weights(first: u32, second: u32, place: u32) -> vec4<f32> {
  let codes = (vec4<u32>(first >> (4u * place)) >> vec4<u32>(0u, 4u, 8u, 12u)) & vec4<u32>(0xfu);
  return vec4<f32>(
    NORMAL_FLOAT_4[codes.x],
    NORMAL_FLOAT_4[codes.y],
    NORMAL_FLOAT_4[codes.z],
    NORMAL_FLOAT_4[codes.w],
  );
}
