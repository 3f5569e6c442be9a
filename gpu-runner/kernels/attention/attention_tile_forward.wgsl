// output[i, h] = sum over visible keys j of softmax(scale q_i . k_j) v_j, log_sum_exp[i, h] its normaliser in nats. The key tiles of a
// query tile pass by; scores, weights and sums stay in registers (FlashAttention, arXiv 2205.14135; running maximum as in arXiv
// 1805.02867). With SOFT_CAP the softmax is of capped scores.
// One subgroup of 8 lanes owns 32 query rows and BLOCKS x 32 channels of a head; lane l holds keys 4 l .. 4 l + 3 of a row's scores, and
// channels 4 l .. 4 l + 3 of each block's sums. f32 accumulation.
// with: grid, attention_tiles, attention_inputs, attention_score, lane4_vec4
override BLOCKS: u32 = 1u; // of 32 channels: 1, 2 or 4
override IS_LARGE: bool = false; // heads over 64 channels
const KEPT_LANE4S: u32 = 16u;
const LANE4S_PER_BLOCK: u32 = 8u;

@group(0) @binding(3) var<storage, read> ranges: array<vec4<u32>>; // [Q]: prefix start, prefix end, own start, own end
@group(0) @binding(4) var<storage, read> tiles: array<vec2<u32>>; // [tiles] by query tile: key tile, place by key tile
@group(0) @binding(5) var<storage, read> query_tile_starts: array<u32>; // [query tiles + 1], into the tiles
@group(0) @binding(6) var<storage, read_write> output: array<vec4<f32>>; // [Q, H * D], =
@group(0) @binding(7) var<storage, read_write> log_sum_exp: array<f32>; // [Q, H], nats, =

var<private> sums_0: array<vec4<f32>, 32>; // channels 4 l .. 4 l + 3, and each 32 further on
var<private> sums_1: array<vec4<f32>, 32>;
var<private> sums_2: array<vec4<f32>, 32>;
var<private> sums_3: array<vec4<f32>, 32>;
var<private> queries: array<mat4x4<f32>, KEPT_LANE4S>; // the lane's rows, of heads that fit
var<private> greatest: array<f32, 32>;
var<private> totals: array<f32, 32>; // of the lane's keys

fn load_queries(at: vec4<u32>) -> mat4x4<f32> {
  return mat4x4<f32>(query[at.x], query[at.y], query[at.z], query[at.w]);
}

// Four keys' Lane4s of values; past the head's end those of its last Lane4, which are not stored.
fn load_values(first_key: u32, lane4: u32, head: u32) -> mat4x4<f32> {
  let rows = four_rows(first_key, params.key_count) * (params.head_count / params.group_size) + head / params.group_size;
  let v = rows * params.head_lane4s + min(lane4, params.head_lane4s - 1u);
  return mat4x4<f32>(value[v.x], value[v.y], value[v.z], value[v.w]);
}

fn store_output(row: u32, lane4: u32, values: vec4<f32>) {
  if (lane4 < params.head_lane4s) {
    output[row * params.head_lane4s + lane4] = values;
  }
}

// The largest of a row over all lanes.
fn row_max(four: vec4<f32>) -> f32 {
  var largest = max(max(four.x, four.y), max(four.z, four.w));
  largest = max(largest, subgroupShuffleXor(largest, 1u));
  largest = max(largest, subgroupShuffleXor(largest, 2u));
  return max(largest, subgroupShuffleXor(largest, 4u));
}

// Turns row i of the tile from scores into weights, and brings the row's sums to the same maximum.
fn weigh_row(i: u32, row_ranges: vec4<u32>, first_key: u32) {
  let score = attention_score(params.scale * tile[i], params.soft_cap);
  let visible = select(vec4<f32>(SMALLEST), score, visible_keys(row_ranges, first_key));
  let next_greatest = max(greatest[i], row_max(visible));
  // Where nothing was visible yet, all differences are 0: the ones this adds are multiplied by 0 at the first real score.
  let correction = exp(greatest[i] - next_greatest);
  greatest[i] = next_greatest;
  tile[i] = exp(visible - next_greatest);
  totals[i] = totals[i] * correction + ((tile[i].x + tile[i].y) + (tile[i].z + tile[i].w));
  sums_0[i] *= correction;
  if (BLOCKS > 1u) {
    sums_1[i] *= correction;
  }
  if (BLOCKS > 2u) {
    sums_2[i] *= correction;
    sums_3[i] *= correction;
  }
}

@compute @workgroup_size(TILE_LANES)
fn attention_tile_forward(grid: Grid, @builtin(subgroup_invocation_id) lane: u32) {
  let slice_lane4s = BLOCKS * LANE4S_PER_BLOCK;
  let slices = (params.head_lane4s + slice_lane4s - 1u) / slice_lane4s;
  let query_tiles = (params.query_count + TILE_SIZE - 1u) / TILE_SIZE;
  let index = workgroup_index(grid);
  let head = index / (query_tiles * slices);
  if (head >= params.head_count) {
    return;
  }
  let query_tile = index / slices % query_tiles;
  let first_row = query_tile * TILE_SIZE;
  let rows = four_rows(first_row + 4u * lane, params.query_count);
  let query_rows = (rows * params.head_count + head) * params.head_lane4s;
  let row_ranges = array<vec4<u32>, 4>(ranges[rows.x], ranges[rows.y], ranges[rows.z], ranges[rows.w]);
  let key_stride = params.head_count / params.group_size * params.head_lane4s;
  let key_offset = head / params.group_size * params.head_lane4s;
  let lane4 = index % slices * slice_lane4s + lane;
  for (var i = 0u; i < TILE_SIZE; i++) {
    greatest[i] = SMALLEST;
  }
  if (!IS_LARGE) {
    for (var p = 0u; p < params.head_lane4s; p++) {
      queries[p] = load_queries(query_rows + p);
    }
  }
  for (var n = query_tile_starts[query_tile]; n < query_tile_starts[query_tile + 1u]; n++) {
    let first_key = tiles[n].x * TILE_SIZE;
    let key_rows = four_rows(first_key + 4u * lane, params.key_count) * key_stride + key_offset;
    tile = array<vec4<f32>, 32>();
    for (var p = 0u; p < params.head_lane4s; p++) {
      let k = key_rows + p;
      let of_keys = transpose(mat4x4<f32>(key[k.x], key[k.y], key[k.z], key[k.w]));
      if (IS_LARGE) {
        tile_multiply_add(load_queries(query_rows + p), of_keys);
      } else {
        tile_multiply_add(queries[p], of_keys);
      }
    }
    for (var i = 0u; i < TILE_SIZE; i++) {
      weigh_row(i, subgroupShuffle(row_ranges[i % 4u], i / 4u), first_key + 4u * lane);
    }
    // A loop for each block: one for all would not fit into the instruction cache.
    for (var k = 0u; k < TILE_LANES; k++) {
      let of_keys = load_values(first_key + 4u * k, lane4, head);
      for (var i = 0u; i < TILE_SIZE; i++) {
        sums_0[i] += of_keys * subgroupShuffle(tile[i], k);
      }
    }
    if (BLOCKS > 1u) {
      for (var k = 0u; k < TILE_LANES; k++) {
        let of_keys = load_values(first_key + 4u * k, lane4 + LANE4S_PER_BLOCK, head);
        for (var i = 0u; i < TILE_SIZE; i++) {
          sums_1[i] += of_keys * subgroupShuffle(tile[i], k);
        }
      }
    }
    if (BLOCKS > 2u) {
      for (var k = 0u; k < TILE_LANES; k++) {
        let of_keys = load_values(first_key + 4u * k, lane4 + 2u * LANE4S_PER_BLOCK, head);
        for (var i = 0u; i < TILE_SIZE; i++) {
          sums_2[i] += of_keys * subgroupShuffle(tile[i], k);
        }
      }
      for (var k = 0u; k < TILE_LANES; k++) {
        let of_keys = load_values(first_key + 4u * k, lane4 + 3u * LANE4S_PER_BLOCK, head);
        for (var i = 0u; i < TILE_SIZE; i++) {
          sums_3[i] += of_keys * subgroupShuffle(tile[i], k);
        }
      }
    }
  }
  var row_totals: array<f32, 32>;
  for (var i = 0u; i < TILE_SIZE; i++) {
    row_totals[i] = subgroupAdd(totals[i]);
  }
  var rows_0 = sums_0;
  var rows_1 = sums_1;
  var rows_2 = sums_2;
  var rows_3 = sums_3;
  var largest = greatest;
  for (var i = 0u; i < min(params.tile_rows, params.query_count - first_row); i++) {
    let row = (first_row + i) * params.head_count + head;
    store_output(row, lane4, rows_0[i] / row_totals[i]);
    if (BLOCKS > 1u) {
      store_output(row, lane4 + LANE4S_PER_BLOCK, rows_1[i] / row_totals[i]);
    }
    if (BLOCKS > 2u) {
      store_output(row, lane4 + 2u * LANE4S_PER_BLOCK, rows_2[i] / row_totals[i]);
      store_output(row, lane4 + 3u * LANE4S_PER_BLOCK, rows_3[i] / row_totals[i]);
    }
    if (lane4 == 0u) {
      log_sum_exp[row] = largest[i] + log(row_totals[i]);
    }
  }
}
