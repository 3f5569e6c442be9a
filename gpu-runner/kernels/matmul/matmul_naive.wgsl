// output = (accumulate ? output : 0) + scale * A B for any sizes and strides: the reference variant of matmul, and the fallback for
// row lengths that are no multiple of 4. A workgroup owns a 32 x 32 tile, an invocation 4 x 4 of it. f32 accumulation.
// with: grid
struct Params {
  rows: u32, // M
  columns: u32, // N
  depth: u32, // K
  a_row_stride: u32, // elements
  a_depth_stride: u32,
  b_depth_stride: u32,
  b_column_stride: u32,
  accumulate: u32, // 0: =, 1: +=
  scale: f32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>; // [M, K], or [K, M] by its strides
@group(0) @binding(1) var<storage, read> b: array<f32>; // [K, N], or [N, K] by its strides
@group(0) @binding(2) var<storage, read_write> output: array<f32>; // [M, N]
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(8, 8)
fn matmul_naive(grid: Grid, @builtin(local_invocation_id) local: vec3<u32>) {
  let tile = workgroup_index(grid);
  let tiles_across = (params.columns + 31u) / 32u;
  let row = tile / tiles_across * 32u + local.y * 4u;
  let column = tile % tiles_across * 32u + local.x * 4u;
  if (row >= params.rows || column >= params.columns) {
    return;
  }
  // Past the edge the last row or column is computed again and not stored.
  let a_rows = min(vec4<u32>(row, row + 1u, row + 2u, row + 3u), vec4<u32>(params.rows - 1u)) * params.a_row_stride;
  let b_columns =
    min(vec4<u32>(column, column + 1u, column + 2u, column + 3u), vec4<u32>(params.columns - 1u)) * params.b_column_stride;
  var sums = mat4x4<f32>();
  for (var k = 0u; k < params.depth; k++) {
    let at_a = k * params.a_depth_stride;
    let at_b = k * params.b_depth_stride;
    let b_k = vec4<f32>(b[b_columns.x + at_b], b[b_columns.y + at_b], b[b_columns.z + at_b], b[b_columns.w + at_b]);
    sums[0] += a[a_rows.x + at_a] * b_k;
    sums[1] += a[a_rows.y + at_a] * b_k;
    sums[2] += a[a_rows.z + at_a] * b_k;
    sums[3] += a[a_rows.w + at_a] * b_k;
  }
  for (var i = 0u; i < min(4u, params.rows - row); i++) {
    for (var j = 0u; j < min(4u, params.columns - column); j++) {
      let at = (row + i) * params.columns + column + j;
      var value = params.scale * sums[i][j];
      if (params.accumulate != 0u) {
        value += output[at];
      }
      output[at] = value;
    }
  }
}
