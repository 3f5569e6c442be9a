// What the kernels of paged attention are told, where a sequence's keys lie, and which of them its new token sees.
const PAGE_SIZE: u32 = 32u; // positions; the same number stands in ops/attention/paged-attention.ts

struct Params {
  row_count: u32, // B
  pages_per_row: u32,
  head_count: u32, // H
  group_size: u32, // H / KV
  head_lane4s: u32, // D / 4
  window: u32, // positions that a token sees, itself among them
  scale: f32, // of the scores
  soft_cap: f32, // of the scaled scores; read with SOFT_CAP only
}

@group(1) @binding(0) var<uniform> params: Params;

// The first position that the last of `length` tokens sees.
fn first_visible(length: u32) -> u32 {
  return select(length - params.window, 0u, length <= params.window);
}

// Where a position of a sequence lies, by the page that holds it.
fn slot_of(page: u32, position: u32) -> u32 {
  return page * PAGE_SIZE + position % PAGE_SIZE;
}

// The first Lane4 of a query head's own key-value head in a slot of [S, KV * D].
fn lane4_of_slot(slot: u32, head: u32) -> u32 {
  return (slot * (params.head_count / params.group_size) + head / params.group_size) * params.head_lane4s;
}
