// output[r] = sum over c of left[r, c] * right[r, c]. A workgroup owns one row. f32 accumulation.
struct Params {
  row_count: u32, // R
  packs_per_row: u32, // C / PACK_SIZE
}

@group(0) @binding(0) var<storage, read> left: array<Pack>; // [R, C]
@group(0) @binding(1) var<storage, read> right: array<Pack>; // [R, C]
@group(0) @binding(2) var<storage, read_write> output: array<f32>; // [R], =
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(ROW_LANES)
fn dot_rows(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = workgroup_index(workgroup, workgroups);
  if (row >= params.row_count) {
    return;
  }
  let start = row * params.packs_per_row;
  var products = Pack(0.0);
  for (var pack = lane; pack < params.packs_per_row; pack += ROW_LANES) {
    products += left[start + pack] * right[start + pack];
  }
  let total = row_sum(pack_sum(products), lane);
  if (lane == 0u) {
    output[row] = total;
  }
}
