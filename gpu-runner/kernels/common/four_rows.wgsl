// Four consecutive rows of `count`, those past the end replaced by the last one.
fn four_rows(first: u32, count: u32) -> vec4<u32> {
  return min(vec4<u32>(first, first + 1u, first + 2u, first + 3u), vec4<u32>(count - 1u));
}
