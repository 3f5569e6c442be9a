// d_query[i, h] = sum over visible keys j of d_S_ij k_j, d_S_ij = scale P_ij (d_output_i . v_j - delta_i), P_ij = exp(scale q_i . k_j -
// log_sum_exp_i), for GPUs: the key tiles of a query tile pass through workgroup memory, probabilities are computed again (Dao et al.,
// FlashAttention, arXiv 2205.14135, algorithm 4). With SOFT_CAP scores are capped, and d_S carries the cap's derivative.
// A workgroup owns 64 query rows of a head. f32 accumulation. Head size a multiple of 4, at most 4 * HEAD_LANE4S.
// with: grid, attention_workgroup_gradient
const OWNS_KEYS: bool = false;

@group(0) @binding(5) var<storage, read> ranges: array<vec4<u32>>; // [Q]: prefix start, prefix end, own start, own end
// [query tiles + 1] where each query tile begins in this list, then the key tiles of all
@group(0) @binding(6) var<storage, read> key_tiles: array<u32>;
@group(0) @binding(7) var<storage, read_write> d_query: array<vec4<f32>>; // [Q, H * D], =

@compute @workgroup_size(8, 16)
fn attention_workgroup_query_gradient(
  grid: Grid,
  @builtin(local_invocation_id) local: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
) {
  let owned = owned_queries(workgroup_index(grid));
  let head = owned.head;
  if (head >= params.head_count) {
    return;
  }
  let query_tile = owned.tile;
  let first_row = query_tile * ROWS;
  let rows = four_rows(first_row + 4u * local.y, params.query_count);
  let row_ranges = array<vec4<u32>, 4>(ranges[rows.x], ranges[rows.y], ranges[rows.z], ranges[rows.w]);
  let at = rows * params.head_count + head;
  let of_rows = array<vec2<f32>, 4>(statistics[at.x], statistics[at.y], statistics[at.z], statistics[at.w]);
  var sums: array<mat4x4<f32>, BLOCKS>;
  for (var n = key_tiles[query_tile]; n < key_tiles[query_tile + 1u]; n++) {
    let first_key = key_tiles[n] * COLUMNS;
    let products = tile_products(false, first_row, first_key, head, local.xy);
    var d_scores = tile_products(true, first_row, first_key, head, local.xy);
    for (var i = 0u; i < 4u; i++) {
      let score = attention_score(params.scale * products[i], params.soft_cap);
      // Invisible keys may hold any score; the minimum keeps their exponential finite.
      let exponentials = exp(min(score - of_rows[i].x, vec4<f32>(0.0)));
      let weight = select(vec4<f32>(0.0), exponentials, visible_keys(row_ranges[i], first_key + 4u * local.x));
      let d_score = params.scale * weight * (d_scores[i] - of_rows[i].y);
      d_scores[i] = attention_score_backward(score, d_score, params.soft_cap);
    }
    workgroupBarrier();
    stage_tile(d_scores, local.x, local.y);
    for (var block = 0u; block < BLOCKS; block++) {
      workgroupBarrier();
      for (var m = invocation; m < COLUMNS * DEPTH_LANE4S; m += INVOCATIONS) {
        let lane4 = min(block * DEPTH_LANE4S + m % DEPTH_LANE4S, params.head_lane4s - 1u);
        let place = key_places(first_key + m / DEPTH_LANE4S, head).x + lane4;
        right[m / DEPTH_LANE4S * RIGHT_STRIDE + m % DEPTH_LANE4S] = key[place];
      }
      workgroupBarrier();
      sums[block] = multiply_add(sums[block], COLUMNS, local.x, local.y);
    }
  }
  for (var i = 0u; i < 4u; i++) {
    let row = first_row + 4u * local.y + i;
    for (var block = 0u; block < BLOCKS; block++) {
      let lane4 = block * DEPTH_LANE4S + local.x;
      if (row < params.query_count && lane4 < params.head_lane4s) {
        d_query[(row * params.head_count + head) * params.head_lane4s + lane4] = sums[block][i];
      }
    }
  }
}
