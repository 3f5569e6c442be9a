// What both gradients of attention on GPUs share: a kernel owns 64 query rows, or with its OWNS_KEYS 64 keys, and 32 of the others pass by.
// with: attention_workgroup, attention_gradient_inputs

// Four rows' Lane4s of query, or of d_output.
fn load_queries(of_d_output: bool, at: vec4<u32>) -> mat4x4<f32> {
  if (of_d_output) {
    return mat4x4<f32>(d_output[at.x], d_output[at.y], d_output[at.z], d_output[at.w]);
  }
  return mat4x4<f32>(query[at.x], query[at.y], query[at.z], query[at.w]);
}

// The same of key, or of value.
fn load_keys(of_values: bool, at: vec4<u32>) -> mat4x4<f32> {
  if (of_values) {
    return mat4x4<f32>(value[at.x], value[at.y], value[at.z], value[at.w]);
  }
  return mat4x4<f32>(key[at.x], key[at.y], key[at.z], key[at.w]);
}

// q_i . k_j, or with of_values d_output_i . v_j, of the invocation's 4 query rows and 4 keys, by those that the kernel owns.
fn tile_products(of_values: bool, first_row: u32, first_key: u32, head: u32, local: vec2<u32>) -> mat4x4<f32> {
  let invocation = local.y * 8u + local.x;
  let lane4 = invocation % DEPTH_LANE4S;
  let group = invocation / DEPTH_LANE4S;
  let passes = group < COLUMNS / 4u;
  var sums = mat4x4<f32>();
  for (var first = 0u; first < params.head_lane4s; first += DEPTH_LANE4S) {
    let lane4s = min(DEPTH_LANE4S, params.head_lane4s - first);
    workgroupBarrier();
    if (lane4 < lane4s) {
      let q = query_places(first_row + 4u * group, head) + first + lane4;
      let k = key_places(first_key + 4u * group, head) + first + lane4;
      if (OWNS_KEYS) {
        stage_left(load_keys(of_values, k), lane4, group);
      } else {
        stage_left(load_queries(of_values, q), lane4, group);
      }
      if (passes && OWNS_KEYS) {
        stage_right(load_queries(of_values, q), lane4, group);
      } else if (passes) {
        stage_right(load_keys(of_values, k), lane4, group);
      }
    }
    workgroupBarrier();
    sums = multiply_add(sums, 4u * lane4s, local.x, local.y);
  }
  return sums;
}
