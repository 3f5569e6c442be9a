// A 16 x 64 tile of a product in the registers of one subgroup of 8 lanes, for weights that are read as codes: no workgroup memory, no
// barrier. Lane l holds columns 8 l .. 8 l + 7 of every row. For each step of 4 along the depth a lane loads 2 Lane4s of A's rows 2 l and
// 2 l + 1 and its 8 columns of B, which as codes cost less to load; the rows travel between lanes by subgroupBroadcast.
const WIDE_TILE_ROWS: u32 = 16u;
const WIDE_TILE_COLUMNS: u32 = 64u;
const TILE_LANES: u32 = 8u;

// Of row i the lane's columns 0 .. 3 at 2 i, and its columns 4 .. 7 at 2 i + 1.
var<private> wide_tile: array<vec4<f32>, 32>;

// A lane's 8 columns for 4 steps of the depth: column k of `low` are columns 0 .. 3 at depth k, of `high` columns 4 .. 7.
struct WideColumns {
  low: mat4x4<f32>,
  high: mat4x4<f32>,
}

// wide_tile += A B for one step of 4 along the depth. `a0` and `a1` are the lane's rows, 4 along the depth each. All of the lower
// columns come first: then 16 columns of B and 2 of A are alive at once, which fits into a software adapter's registers.
fn wide_multiply_add(a0: vec4<f32>, a1: vec4<f32>, columns: WideColumns) {
  let low = columns.low;
  let high = columns.high;
  wide_tile[0] += low * subgroupBroadcast(a0, 0u);
  wide_tile[2] += low * subgroupBroadcast(a1, 0u);
  wide_tile[4] += low * subgroupBroadcast(a0, 1u);
  wide_tile[6] += low * subgroupBroadcast(a1, 1u);
  wide_tile[8] += low * subgroupBroadcast(a0, 2u);
  wide_tile[10] += low * subgroupBroadcast(a1, 2u);
  wide_tile[12] += low * subgroupBroadcast(a0, 3u);
  wide_tile[14] += low * subgroupBroadcast(a1, 3u);
  wide_tile[16] += low * subgroupBroadcast(a0, 4u);
  wide_tile[18] += low * subgroupBroadcast(a1, 4u);
  wide_tile[20] += low * subgroupBroadcast(a0, 5u);
  wide_tile[22] += low * subgroupBroadcast(a1, 5u);
  wide_tile[24] += low * subgroupBroadcast(a0, 6u);
  wide_tile[26] += low * subgroupBroadcast(a1, 6u);
  wide_tile[28] += low * subgroupBroadcast(a0, 7u);
  wide_tile[30] += low * subgroupBroadcast(a1, 7u);
  wide_tile[1] += high * subgroupBroadcast(a0, 0u);
  wide_tile[3] += high * subgroupBroadcast(a1, 0u);
  wide_tile[5] += high * subgroupBroadcast(a0, 1u);
  wide_tile[7] += high * subgroupBroadcast(a1, 1u);
  wide_tile[9] += high * subgroupBroadcast(a0, 2u);
  wide_tile[11] += high * subgroupBroadcast(a1, 2u);
  wide_tile[13] += high * subgroupBroadcast(a0, 3u);
  wide_tile[15] += high * subgroupBroadcast(a1, 3u);
  wide_tile[17] += high * subgroupBroadcast(a0, 4u);
  wide_tile[19] += high * subgroupBroadcast(a1, 4u);
  wide_tile[21] += high * subgroupBroadcast(a0, 5u);
  wide_tile[23] += high * subgroupBroadcast(a1, 5u);
  wide_tile[25] += high * subgroupBroadcast(a0, 6u);
  wide_tile[27] += high * subgroupBroadcast(a1, 6u);
  wide_tile[29] += high * subgroupBroadcast(a0, 7u);
  wide_tile[31] += high * subgroupBroadcast(a1, 7u);
}
