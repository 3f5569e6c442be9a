// A 32 x 32 tile of a product in the registers of one subgroup of 8 lanes: no workgroup memory, no barrier. Lane l holds columns
// 4 l .. 4 l + 3 of every row. For each step of 4 along the depth a lane loads 4 Lane4s of A's rows 4 l .. 4 l + 3 and 4 Lane4s of its
// columns of B; the rows then travel between lanes by subgroupBroadcast. On a software adapter, where a load costs as much as
// dozens of multiplications, this is several times faster than both plain and workgroup-memory tiles.
const TILE_SIZE: u32 = 32u;
const TILE_LANES: u32 = 8u;

var<private> tile: array<vec4<f32>, 32>;

// tile += A B for one step of 4 along the depth. `a` are the lane's rows, 4 along the depth each: column j of the matrix is row
// 4 lane + j. Column k of `b` is the lane's 4 columns at depth k.
fn tile_multiply_add(a: mat4x4<f32>, b: mat4x4<f32>) {
  tile[0] += b * subgroupBroadcast(a[0], 0u);
  tile[1] += b * subgroupBroadcast(a[1], 0u);
  tile[2] += b * subgroupBroadcast(a[2], 0u);
  tile[3] += b * subgroupBroadcast(a[3], 0u);
  tile[4] += b * subgroupBroadcast(a[0], 1u);
  tile[5] += b * subgroupBroadcast(a[1], 1u);
  tile[6] += b * subgroupBroadcast(a[2], 1u);
  tile[7] += b * subgroupBroadcast(a[3], 1u);
  tile[8] += b * subgroupBroadcast(a[0], 2u);
  tile[9] += b * subgroupBroadcast(a[1], 2u);
  tile[10] += b * subgroupBroadcast(a[2], 2u);
  tile[11] += b * subgroupBroadcast(a[3], 2u);
  tile[12] += b * subgroupBroadcast(a[0], 3u);
  tile[13] += b * subgroupBroadcast(a[1], 3u);
  tile[14] += b * subgroupBroadcast(a[2], 3u);
  tile[15] += b * subgroupBroadcast(a[3], 3u);
  tile[16] += b * subgroupBroadcast(a[0], 4u);
  tile[17] += b * subgroupBroadcast(a[1], 4u);
  tile[18] += b * subgroupBroadcast(a[2], 4u);
  tile[19] += b * subgroupBroadcast(a[3], 4u);
  tile[20] += b * subgroupBroadcast(a[0], 5u);
  tile[21] += b * subgroupBroadcast(a[1], 5u);
  tile[22] += b * subgroupBroadcast(a[2], 5u);
  tile[23] += b * subgroupBroadcast(a[3], 5u);
  tile[24] += b * subgroupBroadcast(a[0], 6u);
  tile[25] += b * subgroupBroadcast(a[1], 6u);
  tile[26] += b * subgroupBroadcast(a[2], 6u);
  tile[27] += b * subgroupBroadcast(a[3], 6u);
  tile[28] += b * subgroupBroadcast(a[0], 7u);
  tile[29] += b * subgroupBroadcast(a[1], 7u);
  tile[30] += b * subgroupBroadcast(a[2], 7u);
  tile[31] += b * subgroupBroadcast(a[3], 7u);
}
