// A tile of 32 x 8 or, if WIDE, 32 x 16 in the registers of one subgroup of 8 lanes, for products with a narrow side such as LoRA's.
// Lane l holds rows 4 l .. 4 l + 3 with all columns. The few columns of B are loaded once for the whole subgroup, and travel between
// lanes by subgroupBroadcast: the wide operand is read exactly once.
override WIDE: bool = false; // 16 columns instead of 8

const TILE_ROWS: u32 = 32u;
const TILE_LANES: u32 = 8u;

// Columns 4 p .. 4 p + 3 of the lane's four rows, one row a column of the matrix.
var<private> narrow_tile: array<mat4x4<f32>, 4>;

// narrow_tile += A B for one step of 4 along the depth. Column j of `a` is the lane's row j, 4 along the depth.
// `b` is stored with the depth along rows: lane 2 k + p holds the Lane4 of columns p at depth k; `b_wide` the same of Lane4s 2 + p.
fn narrow_add_plain(a: mat4x4<f32>, b: vec4<f32>, b_wide: vec4<f32>) {
  narrow_tile[0] += mat4x4<f32>(
    subgroupBroadcast(b, 0u), subgroupBroadcast(b, 2u), subgroupBroadcast(b, 4u), subgroupBroadcast(b, 6u)) * a;
  narrow_tile[1] += mat4x4<f32>(
    subgroupBroadcast(b, 1u), subgroupBroadcast(b, 3u), subgroupBroadcast(b, 5u), subgroupBroadcast(b, 7u)) * a;
  if (WIDE) {
    narrow_tile[2] += mat4x4<f32>(
      subgroupBroadcast(b_wide, 0u), subgroupBroadcast(b_wide, 2u), subgroupBroadcast(b_wide, 4u), subgroupBroadcast(b_wide, 6u)) * a;
    narrow_tile[3] += mat4x4<f32>(
      subgroupBroadcast(b_wide, 1u), subgroupBroadcast(b_wide, 3u), subgroupBroadcast(b_wide, 5u), subgroupBroadcast(b_wide, 7u)) * a;
  }
}

// As narrow_add_plain with `b` stored transposed: lane c holds column c, 4 along the depth; `b_wide` column 8 + c.
fn narrow_add_transposed(a: mat4x4<f32>, b: vec4<f32>, b_wide: vec4<f32>) {
  narrow_tile[0] += transpose(mat4x4<f32>(
    subgroupBroadcast(b, 0u), subgroupBroadcast(b, 1u), subgroupBroadcast(b, 2u), subgroupBroadcast(b, 3u))) * a;
  narrow_tile[1] += transpose(mat4x4<f32>(
    subgroupBroadcast(b, 4u), subgroupBroadcast(b, 5u), subgroupBroadcast(b, 6u), subgroupBroadcast(b, 7u))) * a;
  if (WIDE) {
    narrow_tile[2] += transpose(mat4x4<f32>(
      subgroupBroadcast(b_wide, 0u), subgroupBroadcast(b_wide, 1u), subgroupBroadcast(b_wide, 2u), subgroupBroadcast(b_wide, 3u))) * a;
    narrow_tile[3] += transpose(mat4x4<f32>(
      subgroupBroadcast(b_wide, 4u), subgroupBroadcast(b_wide, 5u), subgroupBroadcast(b_wide, 6u), subgroupBroadcast(b_wide, 7u))) * a;
  }
}
