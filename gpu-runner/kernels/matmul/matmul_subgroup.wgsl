// output = (accumulate ? output : 0) + scale * (A B + low_scale * L R), the second product only if LOW_RANK: a linear layer with LoRA
// in one pass over the output. One subgroup of 8 lanes owns a 32 x 32 tile (common/tile_subgroup8). f32 accumulation.
// Rows are read in Lane4s: N must be a multiple of 4, and each stored row length too. Only the depth of two matrices that are
// both stored depth first (A transposed, B not) may be any number.
// with: grid, four_rows, matmul_low_rank, output_parts, tile_subgroup8
override TRANSPOSE_A: bool = false; // a is stored [K, M]

@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>; // [M, K] or [K, M]
@group(0) @binding(1) var<storage, read> b: array<vec4<f32>>; // [K, N] or [N, K]
@group(0) @binding(2) var<storage, read> left: array<vec4<f32>>; // [M, r]
@group(0) @binding(3) var<storage, read> right: array<vec4<f32>>; // [r, N] or [N, r]
@group(0) @binding(4) var<storage, read_write> output: array<vec4<f32>>; // [M, N]

fn load_a(rows: vec4<u32>, row_lane4: u32, k: u32) -> mat4x4<f32> {
  if (!TRANSPOSE_A) {
    let at = rows * (params.depth / 4u) + k / 4u;
    return mat4x4<f32>(a[at.x], a[at.y], a[at.z], a[at.w]);
  }
  let at = four_rows(k, params.depth) * (params.rows / 4u) + row_lane4;
  // Past the end of the depth A counts as zero.
  let is_inside = vec4<u32>(k, k + 1u, k + 2u, k + 3u) < vec4<u32>(params.depth);
  let factor = select(vec4<f32>(0.0), vec4<f32>(1.0), is_inside);
  return transpose(mat4x4<f32>(a[at.x] * factor.x, a[at.y] * factor.y, a[at.z] * factor.z, a[at.w] * factor.w));
}

fn load_b(columns: vec4<u32>, column_lane4: u32, k: u32) -> mat4x4<f32> {
  if (TRANSPOSE_B) {
    let at = columns * (params.depth / 4u) + k / 4u;
    return transpose(mat4x4<f32>(b[at.x], b[at.y], b[at.z], b[at.w]));
  }
  let at = four_rows(k, params.depth) * (params.columns / 4u) + column_lane4;
  return mat4x4<f32>(b[at.x], b[at.y], b[at.z], b[at.w]);
}

fn load_left(rows: vec4<u32>, k: u32) -> mat4x4<f32> {
  let at = rows * (params.low_depth / 4u) + k / 4u;
  return params.low_scale * mat4x4<f32>(left[at.x], left[at.y], left[at.z], left[at.w]);
}

fn load_right(columns: vec4<u32>, column_lane4: u32, k: u32) -> mat4x4<f32> {
  if (TRANSPOSE_B) {
    let at = columns * (params.low_depth / 4u) + k / 4u;
    return transpose(mat4x4<f32>(right[at.x], right[at.y], right[at.z], right[at.w]));
  }
  let at = vec4<u32>(k, k + 1u, k + 2u, k + 3u) * (params.columns / 4u) + column_lane4;
  return mat4x4<f32>(right[at.x], right[at.y], right[at.z], right[at.w]);
}

@compute @workgroup_size(TILE_LANES)
fn matmul_subgroup(grid: Grid, @builtin(subgroup_invocation_id) lane: u32) {
  let index = workgroup_index(grid);
  let tiles_across = (params.columns + TILE_SIZE - 1u) / TILE_SIZE;
  let first_row = index / tiles_across * TILE_SIZE;
  if (first_row >= params.rows) {
    return;
  }
  let row = first_row + 4u * lane;
  let column = index % tiles_across * TILE_SIZE + 4u * lane;
  let rows = four_rows(row, params.rows);
  let columns = four_rows(column, params.columns);
  let row_lane4 = min(row, params.rows - 1u) / 4u;
  let column_lane4 = min(column, params.columns - 1u) / 4u;
  for (var k = 0u; k < params.depth; k += 4u) {
    tile_multiply_add(load_a(rows, row_lane4, k), load_b(columns, column_lane4, k));
  }
  if (LOW_RANK) {
    for (var k = 0u; k < params.low_depth; k += 4u) {
      tile_multiply_add(load_left(rows, k), load_right(columns, column_lane4, k));
    }
  }
  if (column >= params.columns) {
    return;
  }
  // The tile's rows are only known by constant index until here; a copy that is walked by a variable one keeps them in registers.
  var values = tile;
  let row_count = min(TILE_SIZE, params.rows - first_row);
  for (var i = 0u; i < row_count; i++) {
    let at = output_lane4(first_row + i, column);
    var result = params.scale * values[i];
    if (params.accumulate != 0u) {
      result += output[at];
    }
    output[at] = result;
  }
}
