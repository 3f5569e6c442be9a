// A query row attends to the keys [prefix_start, prefix_end) and [own_start, own_end): a pair's shared prompt, then its own response up
// to itself. A sliding window shortens both at their start. A row's ranges are these four, as a vec4.
struct KeyWalk {
  prefix_start: u32,
  prefix_count: u32,
  own_start: u32,
  count: u32,
}

// Both ranges of a query row as one sequence of `count` keys.
fn key_walk(ranges: vec4<u32>) -> KeyWalk {
  let prefix_count = ranges.y - ranges.x;
  return KeyWalk(ranges.x, prefix_count, ranges.z, prefix_count + ranges.w - ranges.z);
}

// The key token at place `n` of the walk.
fn key_at(walk: KeyWalk, n: u32) -> u32 {
  return select(walk.own_start + n - walk.prefix_count, walk.prefix_start + n, n < walk.prefix_count);
}

// Whether a query row with these ranges sees the key token.
fn is_visible(ranges: vec4<u32>, key: u32) -> bool {
  return (key >= ranges.x && key < ranges.y) || (key >= ranges.z && key < ranges.w);
}

// For the keys first_key .. first_key + 3: which of them a query row sees by its ranges.
fn visible_keys(row_ranges: vec4<u32>, first_key: u32) -> vec4<bool> {
  let keys = vec4<u32>(first_key, first_key + 1u, first_key + 2u, first_key + 3u);
  let in_prefix = (keys >= row_ranges.xxxx) & (keys < row_ranges.yyyy);
  let in_own = (keys >= row_ranges.zzzz) & (keys < row_ranges.wwww);
  return in_prefix | in_own;
}
