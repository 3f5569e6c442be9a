// Columns in packs of four, for row lengths that are a multiple of 4.
alias Pack = vec4<f32>;
const PACK_SIZE: u32 = 4u;

fn pack_sum(pack: Pack) -> f32 {
  return (pack.x + pack.y) + (pack.z + pack.w);
}

fn pack_max(pack: Pack) -> f32 {
  return max(max(pack.x, pack.y), max(pack.z, pack.w));
}

// 1 where the pack starting at `column` covers `wanted`, else 0.
fn pack_one_hot(column: u32, wanted: u32) -> Pack {
  return select(Pack(0.0), Pack(1.0), vec4<u32>(column, column + 1u, column + 2u, column + 3u) == vec4<u32>(wanted));
}

// The pack that starts at `column` out of the four columns around it.
fn pack_of(four: vec4<f32>, column: u32) -> Pack {
  return four;
}

// The element at `column` of the pack that covers it.
fn pack_element(pack: Pack, column: u32) -> f32 {
  return pack[column & 3u];
}
