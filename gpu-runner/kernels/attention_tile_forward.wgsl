// output[i, h] = sum over visible keys j of softmax(scale q_i . k_j) v_j, log_sum_exp[i, h] its normaliser in nats. The key tiles of a
// query tile pass by; scores, weights and sums stay in registers (FlashAttention, arXiv 2205.14135; running maximum as in arXiv
// 1805.02867). With SOFT_CAP the softmax is of capped scores.
// One subgroup of 8 lanes owns 32 query rows x 32 channels of a head, or 64 if WIDE; lane l holds keys 4 l .. 4 l + 3 of
// a row's scores, and channels 4 l .. 4 l + 3 (and those 32 further on) of its sums. f32 accumulation.
override WIDE: bool = false; // 64 channels instead of 32
override SLICE_PACKS: u32 = select(8u, 16u, WIDE); // packs of channels that a workgroup owns

@group(0) @binding(0) var<storage, read> query: array<vec4<f32>>; // [Q, H * D]
@group(0) @binding(1) var<storage, read> key: array<vec4<f32>>; // [T, KV * D]
@group(0) @binding(2) var<storage, read> value: array<vec4<f32>>; // [T, KV * D]
@group(0) @binding(3) var<storage, read> ranges: array<vec4<u32>>; // [Q]: prefix start, prefix end, own start, own end
@group(0) @binding(4) var<storage, read> tiles: array<vec2<u32>>; // [tiles] by query tile: key tile, place by key tile
@group(0) @binding(5) var<storage, read> query_tile_starts: array<u32>; // [query tiles + 1], into the tiles
@group(0) @binding(6) var<storage, read_write> output: array<vec4<f32>>; // [Q, H * D], =
@group(0) @binding(7) var<storage, read_write> log_sum_exp: array<f32>; // [Q, H], nats, =

var<private> low_sums: array<vec4<f32>, 32>;
var<private> high_sums: array<vec4<f32>, 32>;
var<private> greatest: array<f32, 32>;
var<private> totals: array<f32, 32>; // of the lane's keys

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
  low_sums[i] *= correction;
  if (WIDE) {
    high_sums[i] *= correction;
  }
}

@compute @workgroup_size(TILE_LANES)
fn attention_tile_forward(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let blocks = (params.head_packs + SLICE_PACKS - 1u) / SLICE_PACKS;
  let query_tiles = (params.query_count + TILE_SIZE - 1u) / TILE_SIZE;
  let index = workgroup_index(workgroup, workgroups);
  let head = index / (query_tiles * blocks);
  if (head >= params.head_count) {
    return;
  }
  let query_tile = index / blocks % query_tiles;
  let first_row = query_tile * TILE_SIZE;
  let rows = four_rows(first_row + 4u * lane, params.query_count);
  let query_rows = (rows * params.head_count + head) * params.head_packs;
  let row_ranges = array<vec4<u32>, 4>(ranges[rows.x], ranges[rows.y], ranges[rows.z], ranges[rows.w]);
  let key_stride = params.head_count / params.group_size * params.head_packs;
  let key_offset = head / params.group_size * params.head_packs;
  let low_pack = index % blocks * SLICE_PACKS + lane;
  let low_offset = key_offset + min(low_pack, params.head_packs - 1u);
  let high_offset = key_offset + min(low_pack + 8u, params.head_packs - 1u);
  for (var i = 0u; i < TILE_SIZE; i++) {
    greatest[i] = SMALLEST;
  }
  for (var n = query_tile_starts[query_tile]; n < query_tile_starts[query_tile + 1u]; n++) {
    let first_key = tiles[n].x * TILE_SIZE;
    let key_rows = four_rows(first_key + 4u * lane, params.key_count) * key_stride + key_offset;
    tile = array<vec4<f32>, 32>();
    for (var p = 0u; p < params.head_packs; p++) {
      let q = query_rows + p;
      let k = key_rows + p;
      tile_multiply_add(
        mat4x4<f32>(query[q.x], query[q.y], query[q.z], query[q.w]),
        transpose(mat4x4<f32>(key[k.x], key[k.y], key[k.z], key[k.w])),
      );
    }
    for (var i = 0u; i < TILE_SIZE; i++) {
      weigh_row(i, subgroupShuffle(row_ranges[i % 4u], i / 4u), first_key + 4u * lane);
    }
    for (var k = 0u; k < TILE_LANES; k++) {
      let at = four_rows(first_key + 4u * k, params.key_count) * key_stride;
      let low = at + low_offset;
      let low_values = mat4x4<f32>(value[low.x], value[low.y], value[low.z], value[low.w]);
      for (var i = 0u; i < TILE_SIZE; i++) {
        low_sums[i] += low_values * subgroupShuffle(tile[i], k);
      }
      if (WIDE) {
        let high = at + high_offset;
        let high_values = mat4x4<f32>(value[high.x], value[high.y], value[high.z], value[high.w]);
        for (var i = 0u; i < TILE_SIZE; i++) {
          high_sums[i] += high_values * subgroupShuffle(tile[i], k);
        }
      }
    }
  }
  var row_totals: array<f32, 32>;
  for (var i = 0u; i < TILE_SIZE; i++) {
    row_totals[i] = subgroupAdd(totals[i]);
  }
  var low_rows = low_sums;
  var high_rows = high_sums;
  var largest = greatest;
  for (var i = 0u; i < min(params.tile_rows, params.query_count - first_row); i++) {
    let row = (first_row + i) * params.head_count + head;
    if (low_pack < params.head_packs) {
      output[row * params.head_packs + low_pack] = low_rows[i] / row_totals[i];
    }
    if (WIDE && low_pack + 8u < params.head_packs) {
      output[row * params.head_packs + low_pack + 8u] = high_rows[i] / row_totals[i];
    }
    if (low_pack == 0u) {
      log_sum_exp[row] = largest[i] + log(row_totals[i]);
    }
  }
}
