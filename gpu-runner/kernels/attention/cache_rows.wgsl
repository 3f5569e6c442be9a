// keys[slots[t]] = key[t] and values[slots[t]] = value[t]: what a pass computed goes into the pages of its sequences. A slot at or past
// `slot_count` stands for a token that nobody will attend to, and is left out. One Lane4 of a row of both an invocation.
// with: grid
struct Params {
  row_count: u32, // T
  lane4s_per_row: u32, // KV * D / 4
  slot_count: u32, // S
}

@group(0) @binding(0) var<storage, read> key: array<vec4<f32>>; // [T, KV * D]
@group(0) @binding(1) var<storage, read> value: array<vec4<f32>>; // [T, KV * D]
@group(0) @binding(2) var<storage, read> slots: array<u32>; // [T], distinct
@group(0) @binding(3) var<storage, read_write> keys: array<vec4<f32>>; // [S, KV * D], = at the slots
@group(0) @binding(4) var<storage, read_write> values: array<vec4<f32>>; // [S, KV * D], = at the slots
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn cache_rows(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let index = workgroup_index(grid) * 64u + lane;
  let row = index / params.lane4s_per_row;
  if (row >= params.row_count) {
    return;
  }
  let slot = slots[row];
  if (slot >= params.slot_count) {
    return;
  }
  let at = slot * params.lane4s_per_row + index % params.lane4s_per_row;
  keys[at] = key[index];
  values[at] = value[index];
}
