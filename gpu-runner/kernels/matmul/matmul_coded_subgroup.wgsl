// output = (accumulate ? output : 0) + scale * (A W + low_scale * L R) with a coded W, or its transpose: matmul_subgroup for frozen weights
// as they are held. Layout of W: shared/formats/weights/quantisation.ts; a weight is code value * scale, rounded to f32, then multiplied.
// One subgroup of 8 lanes owns a 16 x 64 tile (common/tile_wide_subgroup8), and loads W by common/coded_columns_subgroup8.
// f32 accumulation, the depth in order.
// Stored rows of W have a multiple of 8 weights; N, K and r are multiples of 4.
// with: grid, matmul_low_rank, output_parts, coded_columns_subgroup8
@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>; // [M, K]
@group(0) @binding(1) var<storage, read> w: array<Words>; // [K, N] or [N, K], coded
@group(0) @binding(2) var<storage, read> scales: array<f32>; // [w's rows, ⌈w's columns / 64⌉]; not read unless HAS_SCALES
@group(0) @binding(3) var<storage, read> left: array<vec4<f32>>; // [M, r]
@group(0) @binding(4) var<storage, read> right: array<vec4<f32>>; // [r, N] or [N, r]
@group(0) @binding(5) var<storage, read_write> output: array<vec4<f32>>; // [M, N]

fn rows_of_right(rows: vec4<u32>, k: u32) -> mat4x4<f32> {
  let at = rows * (params.low_depth / 4u) + k / 4u;
  return transpose(mat4x4<f32>(right[at.x], right[at.y], right[at.z], right[at.w]));
}

fn load_right(low_rows: vec4<u32>, high_rows: vec4<u32>, k: u32) -> WideColumns {
  if (TRANSPOSE_B) {
    return WideColumns(rows_of_right(low_rows, k), rows_of_right(high_rows, k));
  }
  let at = vec4<u32>(k, k + 1u, k + 2u, k + 3u) * (params.columns / 4u);
  let low = at + low_rows.x / 4u;
  let high = at + high_rows.x / 4u;
  return WideColumns(
    mat4x4<f32>(right[low.x], right[low.y], right[low.z], right[low.w]),
    mat4x4<f32>(right[high.x], right[high.y], right[high.z], right[high.w]));
}

@compute @workgroup_size(TILE_LANES)
fn matmul_coded_subgroup(grid: Grid, @builtin(subgroup_invocation_id) lane: u32) {
  let index = workgroup_index(grid);
  let tiles_across = (params.columns + WIDE_TILE_COLUMNS - 1u) / WIDE_TILE_COLUMNS;
  let first_row = index / tiles_across * WIDE_TILE_ROWS;
  if (first_row >= params.rows) {
    return;
  }
  prepare_weights(lane);
  // Past the edges the last row or column is computed again and not stored.
  let rows = min(vec2<u32>(first_row + 2u * lane, first_row + 2u * lane + 1u), vec2<u32>(params.rows - 1u));
  let column = index % tiles_across * WIDE_TILE_COLUMNS + 8u * lane;
  let low_columns = min(column + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.columns - 1u));
  let high_columns = min(column + vec4<u32>(4u, 5u, 6u, 7u), vec4<u32>(params.columns - 1u));
  for (var k = 0u; k < params.depth; k += 4u) {
    let at = rows * (params.depth / 4u) + k / 4u;
    if (TRANSPOSE_B) {
      wide_multiply_add(a[at.x], a[at.y], load_transposed(low_columns, high_columns, k));
    } else {
      wide_multiply_add(a[at.x], a[at.y], load_plain(column, lane, k));
    }
  }
  if (LOW_RANK) {
    for (var k = 0u; k < params.low_depth; k += 4u) {
      let at = rows * (params.low_depth / 4u) + k / 4u;
      wide_multiply_add(
        params.low_scale * left[at.x], params.low_scale * left[at.y], load_right(low_columns, high_columns, k));
    }
  }
  if (column >= params.columns) {
    return;
  }
  // A copy of the tile, walked by variable bounds: one store is compiled instead of 32.
  var values = wide_tile;
  let row_count = min(WIDE_TILE_ROWS, params.rows - first_row);
  let lane4_count = min(2u, (params.columns - column) / 4u);
  for (var i = 0u; i < row_count; i++) {
    for (var p = 0u; p < lane4_count; p++) {
      let at = output_lane4(first_row + i, column + 4u * p);
      var result = params.scale * values[2u * i + p];
      if (params.accumulate != 0u) {
        result += output[at];
      }
      output[at] = result;
    }
  }
}
