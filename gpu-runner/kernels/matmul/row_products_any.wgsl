// row_products.wgsl for sizes that are no multiple of 4: one element of a slot an invocation. f32 accumulation in order.
// with: grid
struct Params {
  segment_count: u32,
  left_columns: u32, // M
  right_columns: u32, // N
  first_slot: u32,
  scale: f32,
}

@group(0) @binding(0) var<storage, read> left: array<f32>; // [T, M]
@group(0) @binding(1) var<storage, read> right: array<f32>; // [T, N]
@group(0) @binding(2) var<storage, read> starts: array<u32>; // [segments + 1]
@group(0) @binding(3) var<storage, read_write> slots: array<f32>; // [S, M, N], =
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn row_products_any(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let index = workgroup_index(grid) * 64u + lane;
  let elements = params.left_columns * params.right_columns;
  let segment = index / elements;
  if (segment >= params.segment_count) {
    return;
  }
  let row = (index % elements) / params.right_columns;
  let column = index % params.right_columns;
  var sum = 0.0;
  let end = starts[segment + 1u];
  for (var token = starts[segment]; token < end; token++) {
    sum += left[token * params.left_columns + row] * right[token * params.right_columns + column];
  }
  slots[params.first_slot * elements + index] = params.scale * sum;
}
