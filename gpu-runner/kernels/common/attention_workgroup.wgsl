// Attention's products for GPUs: 64 rows x 32 columns of one head at a time by a workgroup of 8 x 16 invocations, 4 x 4 each, with both
// operands in workgroup memory (12.75 KiB). Operands lie depth by depth, so that an invocation reads its 4 rows and its 4 columns as one
// pack each. f32 throughout.
const SMALLEST: f32 = -3.0e38; // stands for minus infinity, which WGSL may assume away
const ROWS: u32 = 64u; // of the left operand
const COLUMNS: u32 = 32u; // of the right operand, and most depth staged at once
const DEPTH_PACKS: u32 = 8u; // COLUMNS / 4
const LEFT_STRIDE: u32 = 17u; // packs a depth: ROWS / 4, and one of padding that spreads the banks
const RIGHT_STRIDE: u32 = 9u;
const INVOCATIONS: u32 = 128u;
const BLOCKS: u32 = (HEAD_PACKS + 7u) / 8u; // of 32 channels in a head

struct Params {
  query_count: u32, // Q
  key_count: u32, // T
  head_count: u32, // H
  group_size: u32, // H / KV
  head_packs: u32, // D / 4
  scale: f32, // of the scores
  soft_cap: f32, // of the scaled scores; read with SOFT_CAP only
}

@group(1) @binding(0) var<uniform> params: Params;

var<workgroup> left: array<vec4<f32>, COLUMNS * LEFT_STRIDE>; // [depth, rows]
var<workgroup> right: array<vec4<f32>, COLUMNS * RIGHT_STRIDE>; // [depth, columns]

// sums[i] += the invocation's row 4 y + i of the left operand times its columns 4 x .. 4 x + 3 of the right one.
fn multiply_add(sums: mat4x4<f32>, depth: u32, x: u32, y: u32) -> mat4x4<f32> {
  var result = sums;
  for (var d = 0u; d < depth; d++) {
    let a = left[d * LEFT_STRIDE + y];
    let b = right[d * RIGHT_STRIDE + x];
    result[0] += a.x * b;
    result[1] += a.y * b;
    result[2] += a.z * b;
    result[3] += a.w * b;
  }
  return result;
}

// Stores four rows' pack of depths, one row a column of the matrix, into either operand.
fn stage_left(rows: mat4x4<f32>, pack: u32, group: u32) {
  let by_depth = transpose(rows);
  for (var d = 0u; d < 4u; d++) {
    left[(4u * pack + d) * LEFT_STRIDE + group] = by_depth[d];
  }
}

fn stage_right(rows: mat4x4<f32>, pack: u32, group: u32) {
  let by_depth = transpose(rows);
  for (var d = 0u; d < 4u; d++) {
    right[(4u * pack + d) * RIGHT_STRIDE + group] = by_depth[d];
  }
}

// The invocation's 4 x 4 values of a tile as the left operand of the next product, whose depth is this one's columns.
fn stage_tile(values: mat4x4<f32>, x: u32, y: u32) {
  let by_column = transpose(values);
  for (var c = 0u; c < 4u; c++) {
    left[(4u * x + c) * LEFT_STRIDE + y] = by_column[c];
  }
}

// Four consecutive rows of `count`, those past the end replaced by the last one.
fn four_rows(first: u32, count: u32) -> vec4<u32> {
  return min(vec4<u32>(first, first + 1u, first + 2u, first + 3u), vec4<u32>(count - 1u));
}

// For the keys first_key .. first_key + 3: which of them a query row sees by its ranges.
fn visible_keys(row_ranges: vec4<u32>, first_key: u32) -> vec4<bool> {
  let keys = vec4<u32>(first_key, first_key + 1u, first_key + 2u, first_key + 3u);
  let in_prefix = (keys >= row_ranges.xxxx) & (keys < row_ranges.yyyy);
  let in_own = (keys >= row_ranges.zzzz) & (keys < row_ranges.wwww);
  return in_prefix | in_own;
}
