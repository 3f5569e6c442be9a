// Columns one by one, for any row length. Same names as pack_vec4.
alias Pack = f32;
const PACK_SIZE: u32 = 1u;

fn pack_sum(pack: Pack) -> f32 {
  return pack;
}

fn pack_max(pack: Pack) -> f32 {
  return pack;
}

fn pack_one_hot(column: u32, wanted: u32) -> Pack {
  return select(0.0, 1.0, column == wanted);
}

// The pack that starts at `column` out of the four columns around it.
fn pack_of(four: vec4<f32>, column: u32) -> Pack {
  return four[column & 3u];
}

// The element at `column` of the pack that covers it.
fn pack_element(pack: Pack, column: u32) -> f32 {
  return pack;
}
