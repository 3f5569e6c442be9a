// d_value[j, g] = sum over the group's heads h and the queries i that see j of P_ij d_output_i, d_key[j, g] = sum of d_S_ij q_i, with P and
// d_S as in attention_workgroup_query_gradient, for GPUs: the query tiles of a key tile pass through workgroup memory. No atomics: the
// same bits every time. With SOFT_CAP as there.
// A workgroup owns 64 keys and at most 128 channels of a key-value head. f32 accumulation. Head size a multiple of 4, at most
// 4 * HEAD_LANE4S.
// with: grid, attention_workgroup_gradient
const OWNS_KEYS: bool = true;
const OWN_BLOCKS: u32 = min(BLOCKS, 4u); // more would not fit into registers

// [Q] ranges, four each: prefix start, prefix end, own start, own end; then [key tiles + 1] where each key tile begins in the rest,
// counted from here, then the query tiles of all
@group(0) @binding(5) var<storage, read> ranges_and_tiles: array<u32>;
@group(0) @binding(6) var<storage, read_write> d_key: array<vec4<f32>>; // [T, KV * D], =
@group(0) @binding(7) var<storage, read_write> d_value: array<vec4<f32>>; // [T, KV * D], =

// 32 query rows' Lane4s of one block of channels of query or d_output as the right operand.
fn stage_queries(of_d_output: bool, first_row: u32, head: u32, block: u32, invocation: u32) {
  for (var m = invocation; m < COLUMNS * DEPTH_LANE4S; m += INVOCATIONS) {
    let lane4 = min(block * DEPTH_LANE4S + m % DEPTH_LANE4S, params.head_lane4s - 1u);
    let place = query_places(first_row + m / DEPTH_LANE4S, head).x + lane4;
    let at = m / DEPTH_LANE4S * RIGHT_STRIDE + m % DEPTH_LANE4S;
    if (of_d_output) {
      right[at] = d_output[place];
    } else {
      right[at] = query[place];
    }
  }
}

// Whether query row `row` sees the keys first_key .. first_key + 3; no row past the end does.
fn row_sees(row: u32, first_key: u32) -> vec4<bool> {
  let at = 4u * min(row, params.query_count - 1u);
  let row_ranges = vec4<u32>(
    ranges_and_tiles[at], ranges_and_tiles[at + 1u], ranges_and_tiles[at + 2u], ranges_and_tiles[at + 3u]);
  return visible_keys(row_ranges, first_key) & vec4<bool>(row < params.query_count);
}

@compute @workgroup_size(8, 16)
fn attention_workgroup_key_gradient(
  grid: Grid,
  @builtin(local_invocation_id) local: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
) {
  let tiles = (params.key_count + ROWS - 1u) / ROWS;
  let slices = (BLOCKS + OWN_BLOCKS - 1u) / OWN_BLOCKS;
  let index = workgroup_index(grid);
  let key_head = index / (tiles * slices);
  let key_head_count = params.head_count / params.group_size;
  if (key_head >= key_head_count) {
    return;
  }
  let key_tile = index / slices % tiles;
  let first_block = index % slices * OWN_BLOCKS;
  let first_key = key_tile * ROWS;
  let lists = 4u * params.query_count;
  var key_sums: array<mat4x4<f32>, OWN_BLOCKS>;
  var value_sums: array<mat4x4<f32>, OWN_BLOCKS>;
  for (var member = 0u; member < params.group_size; member++) {
    let head = key_head * params.group_size + member;
    for (var n = ranges_and_tiles[lists + key_tile]; n < ranges_and_tiles[lists + key_tile + 1u]; n++) {
      let first_row = ranges_and_tiles[lists + n] * COLUMNS;
      // By query row first, to see whole rows of keys at once; the invocation's keys are 4 y .. 4 y + 3, its query rows 4 x .. 4 x + 3.
      let products = transpose(tile_products(false, first_row, first_key, head, local.xy));
      let d_weights = transpose(tile_products(true, first_row, first_key, head, local.xy));
      var weights = mat4x4<f32>();
      var d_scores = mat4x4<f32>();
      for (var i = 0u; i < 4u; i++) {
        let row = first_row + 4u * local.x + i;
        let of_row = statistics[min(row, params.query_count - 1u) * params.head_count + head];
        let score = attention_score(params.scale * products[i], params.soft_cap);
        // Invisible keys may hold any score; the minimum keeps their exponential finite.
        let exponentials = exp(min(score - of_row.x, vec4<f32>(0.0)));
        weights[i] = select(vec4<f32>(0.0), exponentials, row_sees(row, first_key + 4u * local.y));
        let d_score = params.scale * weights[i] * (d_weights[i] - of_row.y);
        d_scores[i] = attention_score_backward(score, d_score, params.soft_cap);
      }
      workgroupBarrier();
      stage_tile(transpose(weights), local.x, local.y);
      for (var block = 0u; block < OWN_BLOCKS; block++) {
        workgroupBarrier();
        stage_queries(true, first_row, head, first_block + block, invocation);
        workgroupBarrier();
        value_sums[block] = multiply_add(value_sums[block], COLUMNS, local.x, local.y);
      }
      workgroupBarrier();
      stage_tile(transpose(d_scores), local.x, local.y);
      for (var block = 0u; block < OWN_BLOCKS; block++) {
        workgroupBarrier();
        stage_queries(false, first_row, head, first_block + block, invocation);
        workgroupBarrier();
        key_sums[block] = multiply_add(key_sums[block], COLUMNS, local.x, local.y);
      }
    }
  }
  for (var j = 0u; j < 4u; j++) {
    let token = first_key + 4u * local.y + j;
    for (var block = 0u; block < OWN_BLOCKS; block++) {
      let lane4 = (first_block + block) * DEPTH_LANE4S + local.x;
      if (token < params.key_count && lane4 < params.head_lane4s) {
        let at = (token * key_head_count + key_head) * params.head_lane4s + lane4;
        d_key[at] = key_sums[block][j];
        d_value[at] = value_sums[block][j];
      }
    }
  }
}
