// output[i, h] = sum over visible keys j of softmax(scale q_i . k_j) v_j, log_sum_exp[i, h] its normaliser in nats, for GPUs: the key
// tiles of a query tile pass through workgroup memory, sums stay in registers (FlashAttention, arXiv 2205.14135; running maximum as in
// arXiv 1805.02867). With SOFT_CAP the softmax is of capped scores.
// A workgroup owns 64 query rows of a head. f32 accumulation. Head size a multiple of 4, at most 4 * HEAD_LANE4S.
// with: grid, attention_workgroup, attention_inputs
@group(0) @binding(3) var<storage, read> ranges: array<vec4<u32>>; // [Q]: prefix start, prefix end, own start, own end
// [query tiles + 1] where each query tile begins in this list, then the key tiles of all
@group(0) @binding(4) var<storage, read> key_tiles: array<u32>;
@group(0) @binding(5) var<storage, read_write> output: array<vec4<f32>>; // [Q, H * D], =
@group(0) @binding(6) var<storage, read_write> log_sum_exp: array<f32>; // [Q, H], nats, =

// Scores of the invocation's 4 rows and 4 keys.
fn tile_scores(query_rows: u32, key_rows: u32, head: u32, x: u32, y: u32, invocation: u32) -> mat4x4<f32> {
  var sums = mat4x4<f32>();
  for (var first = 0u; first < params.head_lane4s; first += DEPTH_LANE4S) {
    let lane4s = min(DEPTH_LANE4S, params.head_lane4s - first);
    let lane4 = invocation % DEPTH_LANE4S;
    let group = invocation / DEPTH_LANE4S;
    workgroupBarrier();
    if (lane4 < lane4s) {
      let q = query_places(query_rows + 4u * group, head) + first + lane4;
      stage_left(mat4x4<f32>(query[q.x], query[q.y], query[q.z], query[q.w]), lane4, group);
      if (group < COLUMNS / 4u) {
        let k = key_places(key_rows + 4u * group, head) + first + lane4;
        stage_right(mat4x4<f32>(key[k.x], key[k.y], key[k.z], key[k.w]), lane4, group);
      }
    }
    workgroupBarrier();
    sums = multiply_add(sums, 4u * lane4s, x, y);
  }
  return sums;
}

// 32 values' Lane4s of one block of channels as the right operand.
fn stage_values(key_rows: u32, head: u32, block: u32, invocation: u32) {
  let key_head_count = params.head_count / params.group_size;
  for (var n = invocation; n < COLUMNS * DEPTH_LANE4S; n += INVOCATIONS) {
    let row = min(key_rows + n / DEPTH_LANE4S, params.key_count - 1u) * key_head_count + head / params.group_size;
    let lane4 = min(block * DEPTH_LANE4S + n % DEPTH_LANE4S, params.head_lane4s - 1u);
    right[n / DEPTH_LANE4S * RIGHT_STRIDE + n % DEPTH_LANE4S] = value[row * params.head_lane4s + lane4];
  }
}

// Each of the invocation's 4 rows reduced over the 8 invocations that share them: the largest value, or the sum.
fn row_max(of_rows: vec4<f32>, x: u32, y: u32) -> vec4<f32> {
  workgroupBarrier();
  right[x * 16u + y] = of_rows;
  workgroupBarrier();
  var largest = right[y];
  for (var other = 1u; other < 8u; other++) {
    largest = max(largest, right[other * 16u + y]);
  }
  return largest;
}

fn row_sum(of_rows: vec4<f32>, x: u32, y: u32) -> vec4<f32> {
  workgroupBarrier();
  right[x * 16u + y] = of_rows;
  workgroupBarrier();
  var total = right[y];
  for (var other = 1u; other < 8u; other++) {
    total += right[other * 16u + y];
  }
  return total;
}

fn columns_max(m: mat4x4<f32>) -> vec4<f32> {
  let t = transpose(m);
  return max(max(t[0], t[1]), max(t[2], t[3]));
}

@compute @workgroup_size(8, 16)
fn attention_workgroup_forward(
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
  let x = local.x;
  let y = local.y;
  let first_row = query_tile * ROWS;
  let rows = four_rows(first_row + 4u * y, params.query_count);
  let row_ranges = array<vec4<u32>, 4>(ranges[rows.x], ranges[rows.y], ranges[rows.z], ranges[rows.w]);
  var sums: array<mat4x4<f32>, BLOCKS>;
  var greatest = vec4<f32>(SMALLEST);
  var totals = vec4<f32>(); // of the invocation's keys
  for (var n = key_tiles[query_tile]; n < key_tiles[query_tile + 1u]; n++) {
    let first_key = key_tiles[n] * COLUMNS;
    var scores = tile_scores(first_row, first_key, head, x, y, invocation);
    for (var i = 0u; i < 4u; i++) {
      let score = attention_score(params.scale * scores[i], params.soft_cap);
      scores[i] = select(vec4<f32>(SMALLEST), score, visible_keys(row_ranges[i], first_key + 4u * x));
    }
    // Where nothing was visible yet, all differences are 0: the ones this adds are multiplied by 0 at the first real score.
    let next_greatest = max(greatest, row_max(columns_max(scores), x, y));
    let correction = exp(greatest - next_greatest);
    greatest = next_greatest;
    totals *= correction;
    for (var i = 0u; i < 4u; i++) {
      scores[i] = exp(scores[i] - next_greatest[i]);
      totals[i] += (scores[i].x + scores[i].y) + (scores[i].z + scores[i].w);
    }
    stage_tile(scores, x, y);
    for (var block = 0u; block < BLOCKS; block++) {
      workgroupBarrier();
      stage_values(first_key, head, block, invocation);
      workgroupBarrier();
      for (var i = 0u; i < 4u; i++) {
        sums[block][i] *= correction[i];
      }
      sums[block] = multiply_add(sums[block], COLUMNS, x, y);
    }
  }
  let all_totals = row_sum(totals, x, y);
  for (var i = 0u; i < 4u; i++) {
    let row = first_row + 4u * y + i;
    if (row >= params.query_count) {
      break;
    }
    for (var block = 0u; block < BLOCKS; block++) {
      let lane4 = block * DEPTH_LANE4S + x;
      if (lane4 < params.head_lane4s) {
        output[(row * params.head_count + head) * params.head_lane4s + lane4] = sums[block][i] / all_totals[i];
      }
    }
    if (x == 0u) {
      log_sum_exp[row * params.head_count + head] = greatest[i] + log(all_totals[i]);
    }
  }
}
