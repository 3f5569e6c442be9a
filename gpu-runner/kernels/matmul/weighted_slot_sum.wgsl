// output += sum over s of factors[s] * slots[s], slot by slot in order. One pack of an element's slots an invocation; f32 accumulation.
// with: grid
struct Params {
  slot_count: u32, // S
  packs_per_slot: u32, // N / PACK_SIZE
}

@group(0) @binding(0) var<storage, read> slots: array<Pack>; // [S, N]
@group(0) @binding(1) var<storage, read> factors: array<f32>; // [S]
@group(0) @binding(2) var<storage, read_write> output: array<Pack>; // [N], +=
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn weighted_slot_sum(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let pack = workgroup_index(grid) * 64u + lane;
  if (pack >= params.packs_per_slot) {
    return;
  }
  var sum = Pack(0.0);
  for (var slot = 0u; slot < params.slot_count; slot++) {
    sum += factors[slot] * slots[slot * params.packs_per_slot + pack];
  }
  output[pack] += sum;
}
