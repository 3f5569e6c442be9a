// Token i attends to the keys [prefix_start, prefix_end) and [own_start, i]: a pair's shared prompt, then its own response.
// A sliding window shortens both at their start. A token's ranges are a vec4: prefix start, prefix end, own start, key end. As a key j,
// a token is seen by no query outside of j <= i < key end of j; which of those see it, their own ranges say.
struct KeyWalk {
  prefix_start: u32,
  prefix_count: u32,
  own_start: u32,
  count: u32,
}

// Both ranges of a token as one sequence of `count` keys.
fn key_walk(ranges: vec4<u32>, token: u32) -> KeyWalk {
  let prefix_count = ranges.y - ranges.x;
  return KeyWalk(ranges.x, prefix_count, ranges.z, prefix_count + token + 1u - ranges.z);
}

// The key token at place `n` of the walk.
fn key_at(walk: KeyWalk, n: u32) -> u32 {
  return select(walk.own_start + n - walk.prefix_count, walk.prefix_start + n, n < walk.prefix_count);
}

// Whether the query token sees the key token.
fn is_visible(ranges: vec4<u32>, token: u32, key: u32) -> bool {
  return (key >= ranges.x && key < ranges.y) || (key >= ranges.z && key <= token);
}
