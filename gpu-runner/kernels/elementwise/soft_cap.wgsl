// values = soft_cap * tanh(values / soft_cap), in place: Gemma 2's cap on logits, before log-softmax.
// One pack of four elements an invocation; buffers are padded to whole packs.
// with: grid, pack_vec4, stable_tanh
struct Params {
  pack_count: u32, // packs of 4 elements
  soft_cap: f32, // > 0
}

@group(0) @binding(0) var<storage, read_write> values: array<Pack>; // [packs], =
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn soft_cap(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let pack = workgroup_index(grid) * 64u + lane;
  if (pack >= params.pack_count) {
    return;
  }
  values[pack] = soft_capped(values[pack], params.soft_cap);
}
