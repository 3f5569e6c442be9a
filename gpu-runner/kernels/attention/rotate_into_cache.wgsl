// A step's query heads are turned to their positions (rope.wgsl has the formula), its key heads on their way into the cache, and their
// values go beside them: rope of both and cache_rows in one dispatch, since on a software adapter each costs by itself. A slot at or
// past `slot_count` stands for a token that nobody will attend to: its key and value are left out.
// One pair of Lane4s of (token, head) an invocation; key heads come after query heads. The head's other half is half_lane4s further on.
// with: grid
struct Params {
  row_count: u32, // T
  head_count: u32, // H
  key_head_count: u32, // KV
  half_lane4s: u32, // D / 2 / LANE4_SIZE
  slot_count: u32, // S
}

@group(0) @binding(0) var<storage, read> query: array<Lane4>; // [T, H * D]
@group(0) @binding(1) var<storage, read> key: array<Lane4>; // [T, KV * D]
@group(0) @binding(2) var<storage, read> value: array<Lane4>; // [T, KV * D]
@group(0) @binding(3) var<storage, read> places: array<vec2<u32>>; // [T]: a row of table, and a slot, of which no two are alike
@group(0) @binding(4) var<storage, read> table: array<Lane4>; // [positions, D]: D/2 cosines, D/2 sines
@group(0) @binding(5) var<storage, read_write> turned: array<Lane4>; // [T, H * D], =
@group(0) @binding(6) var<storage, read_write> keys: array<Lane4>; // [S, KV * D], = at the slots
@group(0) @binding(7) var<storage, read_write> values: array<Lane4>; // [S, KV * D], = at the slots
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn rotate_into_cache(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let index = workgroup_index(grid) * 64u + lane;
  let all_heads = params.head_count + params.key_head_count;
  let half = params.half_lane4s;
  let row = index / half / all_heads;
  if (row >= params.row_count) {
    return;
  }
  let head = index / half % all_heads;
  let i = index % half;
  let entry = places[row].x * 2u * half + i;
  let cosine = table[entry];
  let sine = table[entry + half];
  if (head < params.head_count) {
    let at = (row * params.head_count + head) * 2u * half + i;
    let a = query[at];
    let b = query[at + half];
    turned[at] = a * cosine - b * sine;
    turned[at + half] = b * cosine + a * sine;
    return;
  }
  let slot = places[row].y;
  if (slot >= params.slot_count) {
    return;
  }
  let key_head = head - params.head_count;
  let own = (row * params.key_head_count + key_head) * 2u * half + i;
  let kept = (slot * params.key_head_count + key_head) * 2u * half + i;
  let a = key[own];
  let b = key[own + half];
  keys[kept] = a * cosine - b * sine;
  keys[kept + half] = b * cosine + a * sine;
  values[kept] = value[own];
  values[kept + half] = value[own + half];
}
