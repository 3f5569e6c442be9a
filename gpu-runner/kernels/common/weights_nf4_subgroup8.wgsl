// As weights_nf4, for subgroups of 8 lanes: the table lies spread over the lanes, and a code is looked up by subgroupShuffle. On a
// software adapter that is one permutation, where an indexed array is a load from memory for every lane.
// with: nf4_table

// Code values `lane` and 8 + `lane`.
var<private> table_low: f32;
var<private> table_high: f32;

fn prepare_weights(lane: u32) {
  var table = NORMAL_FLOAT_4;
  table_low = table[lane];
  table_high = table[lane + 8u];
}

fn code_value(code: u32) -> f32 {
  return select(subgroupShuffle(table_low, code & 7u), subgroupShuffle(table_high, code & 7u), code >= 8u);
}

// Four neighbouring weights of `first`, from its code number `place` (0 or 4). `second` is not used. In uniform control flow only.
fn decode_weights(first: u32, second: u32, place: u32) -> vec4<f32> {
  let codes = (vec4<u32>(first >> (4u * place)) >> vec4<u32>(0u, 4u, 8u, 12u)) & vec4<u32>(0xfu);
  return vec4<f32>(code_value(codes.x), code_value(codes.y), code_value(codes.z), code_value(codes.w));
}
