// output += sum of the rows of input, in order. One pack of columns an invocation; f32 accumulation.
// with: grid
struct Params {
  row_count: u32, // R
  packs_per_row: u32, // C / PACK_SIZE
}

@group(0) @binding(0) var<storage, read> input: array<Pack>; // [R, C]
@group(0) @binding(1) var<storage, read_write> output: array<Pack>; // [C], +=
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn column_sum(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let pack = workgroup_index(grid) * 64u + lane;
  if (pack >= params.packs_per_row) {
    return;
  }
  var sum = output[pack];
  for (var row = 0u; row < params.row_count; row++) {
    sum += input[row * params.packs_per_row + pack];
  }
  output[pack] = sum;
}
