// values = soft_cap * tanh(values / soft_cap), in place: Gemma 2's cap on logits, before log-softmax.
// One Lane4 an invocation; buffers are padded to whole Lane4s.
// with: grid, lane4_vec4, stable_tanh
struct Params {
  lane4_count: u32, // elements / 4, rounded up
  soft_cap: f32, // > 0
}

@group(0) @binding(0) var<storage, read_write> values: array<Lane4>; // [Lane4s], =
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn soft_cap(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let i = workgroup_index(grid) * 64u + lane;
  if (i >= params.lane4_count) {
    return;
  }
  values[i] = soft_capped(values[i], params.soft_cap);
}
