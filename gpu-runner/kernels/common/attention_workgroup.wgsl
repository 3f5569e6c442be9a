// Attention's products for GPUs: 64 rows x 32 columns of one head at a time by a workgroup of 8 x 16 invocations, 4 x 4 each, with both
// operands in workgroup memory (12.75 KiB). Operands lie depth by depth, so that an invocation reads its 4 rows and its 4 columns as one
// Lane4 each. f32 throughout.
// with: attention_params, attention_ranges, attention_score, four_rows, lane4_vec4
const ROWS: u32 = 64u; // of the left operand
const COLUMNS: u32 = 32u; // of the right operand, and most depth staged at once
const DEPTH_LANE4S: u32 = 8u; // COLUMNS / 4
const LEFT_STRIDE: u32 = 17u; // Lane4s a depth: ROWS / 4, and one of padding that spreads the banks
const RIGHT_STRIDE: u32 = 9u;
const INVOCATIONS: u32 = 128u;
const BLOCKS: u32 = (HEAD_LANE4S + 7u) / 8u; // of 32 channels in a head

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

// Stores four rows' Lane4 of depths, one row a column of the matrix, into either operand.
fn stage_left(rows: mat4x4<f32>, lane4: u32, group: u32) {
  let by_depth = transpose(rows);
  for (var d = 0u; d < 4u; d++) {
    left[(4u * lane4 + d) * LEFT_STRIDE + group] = by_depth[d];
  }
}

fn stage_right(rows: mat4x4<f32>, lane4: u32, group: u32) {
  let by_depth = transpose(rows);
  for (var d = 0u; d < 4u; d++) {
    right[(4u * lane4 + d) * RIGHT_STRIDE + group] = by_depth[d];
  }
}

// The invocation's 4 x 4 values of a tile as the left operand of the next product, whose depth is this one's columns.
fn stage_tile(values: mat4x4<f32>, x: u32, y: u32) {
  let by_column = transpose(values);
  for (var c = 0u; c < 4u; c++) {
    left[(4u * x + c) * LEFT_STRIDE + y] = by_column[c];
  }
}

// What a workgroup owns whose rows are queries. Under a causal mask the last tiles are the longest: they start first.
struct OwnedQueries {
  head: u32, // past the last one for a surplus workgroup
  tile: u32,
}

fn owned_queries(index: u32) -> OwnedQueries {
  let tiles = (params.query_count + ROWS - 1u) / ROWS;
  return OwnedQueries(index / tiles, tiles - 1u - index % tiles);
}

// Places of four query rows' Lane4s, and of four keys' of a query head, in their tensors.
fn query_places(first: u32, head: u32) -> vec4<u32> {
  return (four_rows(first, params.query_count) * params.head_count + head) * params.head_lane4s;
}

fn key_places(first: u32, head: u32) -> vec4<u32> {
  let rows = four_rows(first, params.key_count) * (params.head_count / params.group_size);
  return (rows + head / params.group_size) * params.head_lane4s;
}
