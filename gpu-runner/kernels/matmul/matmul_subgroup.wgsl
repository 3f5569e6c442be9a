// output = (accumulate ? output : 0) + scale * (A B + low_scale * L R), the second product only if LOW_RANK: a linear layer with LoRA
// in one pass over the output. One subgroup of 8 lanes owns a 32 x 32 tile (common/tile_subgroup8). f32 accumulation.
// Rows are read in packs of 4: N must be a multiple of 4, and each stored row length too. Only the depth of two matrices that are
// both stored depth first (A transposed, B not) may be any number.
// with: grid, tile_subgroup8
override TRANSPOSE_A: bool = false; // a is stored [K, M]
override TRANSPOSE_B: bool = false; // b is stored [N, K], and right [N, r]
override LOW_RANK: bool = false; // left and right take part

struct Params {
  rows: u32, // M
  columns: u32, // N
  depth: u32, // K
  low_depth: u32, // r, a multiple of 4
  accumulate: u32, // 0: =, 1: +=
  scale: f32,
  low_scale: f32,
}

@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>; // [M, K] or [K, M]
@group(0) @binding(1) var<storage, read> b: array<vec4<f32>>; // [K, N] or [N, K]
@group(0) @binding(2) var<storage, read> left: array<vec4<f32>>; // [M, r]
@group(0) @binding(3) var<storage, read> right: array<vec4<f32>>; // [r, N] or [N, r]
@group(0) @binding(4) var<storage, read_write> output: array<vec4<f32>>; // [M, N]
@group(1) @binding(0) var<uniform> params: Params;

// Element p of the result is 4 consecutive packs' place p: rows of A or columns of B, clamped to the last one.
fn clamped(first: u32, last: u32) -> vec4<u32> {
  return min(vec4<u32>(first, first + 1u, first + 2u, first + 3u), vec4<u32>(last));
}

fn load_a(rows: vec4<u32>, row_pack: u32, k: u32) -> mat4x4<f32> {
  if (!TRANSPOSE_A) {
    let at = rows * (params.depth / 4u) + k / 4u;
    return mat4x4<f32>(a[at.x], a[at.y], a[at.z], a[at.w]);
  }
  let at = clamped(k, params.depth - 1u) * (params.rows / 4u) + row_pack;
  // Past the end of the depth A counts as zero.
  let is_inside = vec4<u32>(k, k + 1u, k + 2u, k + 3u) < vec4<u32>(params.depth);
  let factor = select(vec4<f32>(0.0), vec4<f32>(1.0), is_inside);
  return transpose(mat4x4<f32>(a[at.x] * factor.x, a[at.y] * factor.y, a[at.z] * factor.z, a[at.w] * factor.w));
}

fn load_b(columns: vec4<u32>, column_pack: u32, k: u32) -> mat4x4<f32> {
  if (TRANSPOSE_B) {
    let at = columns * (params.depth / 4u) + k / 4u;
    return transpose(mat4x4<f32>(b[at.x], b[at.y], b[at.z], b[at.w]));
  }
  let at = clamped(k, params.depth - 1u) * (params.columns / 4u) + column_pack;
  return mat4x4<f32>(b[at.x], b[at.y], b[at.z], b[at.w]);
}

fn load_left(rows: vec4<u32>, k: u32) -> mat4x4<f32> {
  let at = rows * (params.low_depth / 4u) + k / 4u;
  return params.low_scale * mat4x4<f32>(left[at.x], left[at.y], left[at.z], left[at.w]);
}

fn load_right(columns: vec4<u32>, column_pack: u32, k: u32) -> mat4x4<f32> {
  if (TRANSPOSE_B) {
    let at = columns * (params.low_depth / 4u) + k / 4u;
    return transpose(mat4x4<f32>(right[at.x], right[at.y], right[at.z], right[at.w]));
  }
  let at = vec4<u32>(k, k + 1u, k + 2u, k + 3u) * (params.columns / 4u) + column_pack;
  return mat4x4<f32>(right[at.x], right[at.y], right[at.z], right[at.w]);
}

@compute @workgroup_size(TILE_LANES)
fn matmul_subgroup(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let index = workgroup_index(workgroup, workgroups);
  let tiles_across = (params.columns + TILE_SIZE - 1u) / TILE_SIZE;
  let first_row = index / tiles_across * TILE_SIZE;
  if (first_row >= params.rows) {
    return;
  }
  let row = first_row + 4u * lane;
  let column = index % tiles_across * TILE_SIZE + 4u * lane;
  let rows = clamped(row, params.rows - 1u);
  let columns = clamped(column, params.columns - 1u);
  let row_pack = min(row, params.rows - 1u) / 4u;
  let column_pack = min(column, params.columns - 1u) / 4u;
  for (var k = 0u; k < params.depth; k += 4u) {
    tile_multiply_add(load_a(rows, row_pack, k), load_b(columns, column_pack, k));
  }
  if (LOW_RANK) {
    for (var k = 0u; k < params.low_depth; k += 4u) {
      tile_multiply_add(load_left(rows, k), load_right(columns, column_pack, k));
    }
  }
  if (column >= params.columns) {
    return;
  }
  // The tile's rows are only known by constant index until here; a copy that is walked by a variable one keeps them in registers.
  var values = tile;
  let row_count = min(TILE_SIZE, params.rows - first_row);
  for (var i = 0u; i < row_count; i++) {
    let at = ((first_row + i) * params.columns + column) / 4u;
    var result = params.scale * values[i];
    if (params.accumulate != 0u) {
      result += output[at];
    }
    output[at] = result;
  }
}
