// output = (accumulate ? output : 0) + scale * A B for a B of at most 8 columns, or 16 if WIDE; or the transposed of that product,
// which serves a narrow A. One subgroup of 8 lanes owns 32 rows (common/tile_narrow_subgroup8). f32 accumulation.
// Every stored row length must be a multiple of 4; only the depth of operands that are all stored depth first may be any number.
// with: grid, four_rows, tile_narrow_subgroup8
override TRANSPOSE_A: bool = false; // a is stored [K, M]
override TRANSPOSE_B: bool = false; // b is stored [N, K]
override TRANSPOSE_OUTPUT: bool = false; // output is stored [N, M]

struct Params {
  rows: u32, // M
  columns: u32, // N
  depth: u32, // K
  accumulate: u32, // 0: =, 1: +=
  scale: f32,
}

@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>; // [M, K] or [K, M]
@group(0) @binding(1) var<storage, read> b: array<vec4<f32>>; // [K, N] or [N, K]
@group(0) @binding(2) var<storage, read_write> output: array<vec4<f32>>; // [M, N] or [N, M]
@group(1) @binding(0) var<uniform> params: Params;

fn load_a(rows: vec4<u32>, k: u32) -> mat4x4<f32> {
  if (!TRANSPOSE_A) {
    let at = rows * (params.depth / 4u) + k / 4u;
    return mat4x4<f32>(a[at.x], a[at.y], a[at.z], a[at.w]);
  }
  let at = four_rows(k, params.depth) * (params.rows / 4u) + rows.x / 4u;
  // Past the end of the depth A counts as zero.
  let is_inside = vec4<u32>(k, k + 1u, k + 2u, k + 3u) < vec4<u32>(params.depth);
  let factor = select(vec4<f32>(0.0), vec4<f32>(1.0), is_inside);
  return transpose(mat4x4<f32>(a[at.x] * factor.x, a[at.y] * factor.y, a[at.z] * factor.z, a[at.w] * factor.w));
}

// One Lane4 of B for this lane: in plain layout of depth k + lane / 2, in transposed layout of column `first_column` + lane.
fn load_b(lane: u32, first_column: u32, k: u32) -> vec4<f32> {
  if (TRANSPOSE_B) {
    return b[min(first_column + lane, params.columns - 1u) * (params.depth / 4u) + k / 4u];
  }
  let lane4 = min(first_column / 4u + lane % 2u, params.columns / 4u - 1u);
  return b[min(k + lane / 2u, params.depth - 1u) * (params.columns / 4u) + lane4];
}

fn store(at: u32, value: vec4<f32>) {
  var result = params.scale * value;
  if (params.accumulate != 0u) {
    result += output[at];
  }
  output[at] = result;
}

@compute @workgroup_size(TILE_LANES)
fn matmul_narrow_subgroup(grid: Grid, @builtin(subgroup_invocation_id) lane: u32) {
  let first_row = workgroup_index(grid) * TILE_ROWS;
  if (first_row >= params.rows) {
    return;
  }
  let row = first_row + 4u * lane;
  let rows = four_rows(row, params.rows);
  for (var k = 0u; k < params.depth; k += 4u) {
    var b_wide: vec4<f32>;
    if (WIDE) {
      b_wide = load_b(lane, 8u, k);
    }
    if (TRANSPOSE_B) {
      narrow_add_transposed(load_a(rows, k), load_b(lane, 0u, k), b_wide);
    } else {
      narrow_add_plain(load_a(rows, k), load_b(lane, 0u, k), b_wide);
    }
  }
  // Walked by variable bounds, so that one store is compiled instead of sixteen.
  var values = narrow_tile;
  for (var p = 0u; p < (params.columns + 3u) / 4u; p++) {
    if (!TRANSPOSE_OUTPUT) {
      for (var j = 0u; j < min(4u, max(params.rows, row) - row); j++) {
        store((row + j) * (params.columns / 4u) + p, values[p][j]);
      }
    } else if (row < params.rows) {
      let channels = transpose(values[p]);
      for (var c = 0u; c < min(4u, params.columns - 4u * p); c++) {
        store(((4u * p + c) * params.rows + row) / 4u, channels[c]);
      }
    }
  }
}
