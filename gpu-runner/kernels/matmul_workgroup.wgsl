// output = (accumulate ? output : 0) + scale * A B for any sizes and strides, for GPUs: both operands pass through workgroup memory.
// A workgroup of 16 x 16 owns a 64 x 64 tile, an invocation 4 x 4 of it; the depth is walked in steps of 16. f32 accumulation.
// On software adapters barriers make this slower than matmul_naive.
override A_ALONG_DEPTH: bool = true; // a's depth is contiguous: neighbouring invocations load along it
override B_ALONG_DEPTH: bool = false; // b's depth is contiguous

const TILE: u32 = 64u;
const STEP: u32 = 16u;
const ROW: u32 = 68u; // of a tile in workgroup memory; 4 of padding spread its banks

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

var<workgroup> a_tile: array<f32, STEP * ROW>; // [depth, row]
var<workgroup> b_tile: array<f32, STEP * ROW>; // [depth, column]

// Place `n` of a 64 x 16 tile as (row or column, depth), such that neighbouring places are neighbours in memory.
fn tile_place(n: u32, is_along_depth: bool) -> vec2<u32> {
  return select(vec2<u32>(n % TILE, n / TILE), vec2<u32>(n / STEP, n % STEP), is_along_depth);
}

fn load_tiles(first_row: u32, first_column: u32, k: u32, invocation: u32) {
  for (var i = 0u; i < 4u; i++) {
    let of_a = tile_place(invocation + i * 256u, A_ALONG_DEPTH);
    let row = first_row + of_a.x;
    var a_value = 0.0;
    if (row < params.rows && k + of_a.y < params.depth) {
      a_value = a[row * params.a_row_stride + (k + of_a.y) * params.a_depth_stride];
    }
    a_tile[of_a.y * ROW + of_a.x] = a_value;
    let of_b = tile_place(invocation + i * 256u, B_ALONG_DEPTH);
    let column = first_column + of_b.x;
    var b_value = 0.0;
    if (column < params.columns && k + of_b.y < params.depth) {
      b_value = b[column * params.b_column_stride + (k + of_b.y) * params.b_depth_stride];
    }
    b_tile[of_b.y * ROW + of_b.x] = b_value;
  }
}

@compute @workgroup_size(16, 16)
fn matmul_workgroup(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
) {
  let tile = workgroup_index(workgroup, workgroups);
  let tiles_across = (params.columns + TILE - 1u) / TILE;
  let first_row = tile / tiles_across * TILE;
  let first_column = tile % tiles_across * TILE;
  if (first_row >= params.rows) {
    return;
  }
  var sums = mat4x4<f32>();
  for (var k = 0u; k < params.depth; k += STEP) {
    load_tiles(first_row, first_column, k, invocation);
    workgroupBarrier();
    for (var d = 0u; d < STEP; d++) {
      let at_a = d * ROW + local.y * 4u;
      let at_b = d * ROW + local.x * 4u;
      let b_d = vec4<f32>(b_tile[at_b], b_tile[at_b + 1u], b_tile[at_b + 2u], b_tile[at_b + 3u]);
      sums[0] += a_tile[at_a] * b_d;
      sums[1] += a_tile[at_a + 1u] * b_d;
      sums[2] += a_tile[at_a + 2u] * b_d;
      sums[3] += a_tile[at_a + 3u] * b_d;
    }
    workgroupBarrier();
  }
  let row = first_row + local.y * 4u;
  let column = first_column + local.x * 4u;
  for (var i = 0u; i < min(4u, max(params.rows, row) - row); i++) {
    for (var j = 0u; j < min(4u, max(params.columns, column) - column); j++) {
      let at = (row + i) * params.columns + column + j;
      var value = params.scale * sums[i][j];
      if (params.accumulate != 0u) {
        value += output[at];
      }
      output[at] = value;
    }
  }
}
