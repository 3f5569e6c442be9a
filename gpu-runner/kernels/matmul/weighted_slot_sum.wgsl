// output += sum over s of factors[s] * slots[s], slot by slot in order. One Lane4 of an element's slots an invocation; f32 accumulation.
// with: grid
struct Params {
  slot_count: u32, // S
  lane4s_per_slot: u32, // N / LANE4_SIZE
}

@group(0) @binding(0) var<storage, read> slots: array<Lane4>; // [S, N]
@group(0) @binding(1) var<storage, read> factors: array<f32>; // [S]
@group(0) @binding(2) var<storage, read_write> output: array<Lane4>; // [N], +=
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn weighted_slot_sum(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let i = workgroup_index(grid) * 64u + lane;
  if (i >= params.lane4s_per_slot) {
    return;
  }
  var sum = Lane4(0.0);
  for (var slot = 0u; slot < params.slot_count; slot++) {
    sum += factors[slot] * slots[slot * params.lane4s_per_slot + i];
  }
  output[i] += sum;
}
