// Subgroup matrices imitated by plain code, so that what surrounds them in matmul_matrix can be run where there are none: staging,
// indices, edges, the way out. Same names as matrix_native and fragment-text.ts together. A subgroup's sums are its part of a tile in
// workgroup memory; its lane l of LANES cares for elements l, l + LANES, … of each fragment.
// with: matrix_staging
const FRAGMENT_LANE_SIZE: u32 = MATRIX_ROWS * MATRIX_COLUMNS / LANES;

var<workgroup> sum_tile: array<f32, TILE * TILE>; // begins as zeros

var<private> emulated_lane: u32;

alias Sums = u32; // nothing that a register holds

fn matrix_subgroup(subgroup_id: u32, invocation: u32) -> u32 {
  emulated_lane = invocation % LANES;
  return invocation / LANES;
}

// Bounds that the compiler does not know: loops that it may not unroll compile in a fraction of the time.
fn bound(count: u32) -> u32 {
  return min(count, count * params.rows);
}

fn fragment_count() -> u32 {
  return bound(FRAGMENT_ROWS * FRAGMENT_COLUMNS);
}

// Row and column in the tile of the lane's element i of the subgroup's n-th fragment.
fn element_place(member: Member, n: u32, i: u32) -> vec2<u32> {
  let element = emulated_lane + i * LANES;
  let in_subgroup = vec2<u32>(n / FRAGMENT_COLUMNS * MATRIX_ROWS, n % FRAGMENT_COLUMNS * MATRIX_COLUMNS);
  return vec2<u32>(member.row, member.column) + in_subgroup + vec2<u32>(element / MATRIX_COLUMNS, element % MATRIX_COLUMNS);
}

fn first_sums(to: Target, member: Member) -> Sums {
  for (var n = 0u; n < select(0u, fragment_count(), to.is_direct && params.accumulate != 0u); n++) {
    for (var i = 0u; i < bound(FRAGMENT_LANE_SIZE); i++) {
      let at = element_place(member, n, i);
      sum_tile[at.x * TILE + at.y] = output[output_at(to, at.x, at.y)];
    }
  }
  return 0u;
}

fn left_element(buffer: u32, row: u32, k: u32) -> f32 {
  let line = select(k, row, A_ALONG_DEPTH == 1u);
  let at = select(row, k, A_ALONG_DEPTH == 1u);
  return f32(left_tile[buffer * LEFT_QUADS + line * LEFT_ROW + at / 4u][at % 4u]);
}

fn right_element(buffer: u32, column: u32, k: u32) -> f32 {
  let line = select(k, column, B_ALONG_DEPTH == 1u);
  let at = select(column, k, B_ALONG_DEPTH == 1u);
  return f32(right_tile[buffer * RIGHT_QUADS + line * RIGHT_ROW + at / 4u][at % 4u]);
}

fn multiply_fragments(sums: ptr<function, Sums>, buffer: u32, member: Member, k: u32) {
  for (var n = 0u; n < fragment_count(); n++) {
    for (var i = 0u; i < bound(FRAGMENT_LANE_SIZE); i++) {
      let at = element_place(member, n, i);
      var sum = sum_tile[at.x * TILE + at.y];
      for (var d = k; d < k + bound(MATRIX_DEPTH); d++) {
        sum += left_element(buffer, at.x, d) * right_element(buffer, at.y, d);
      }
      sum_tile[at.x * TILE + at.y] = sum;
    }
  }
}

fn store_fragments(to: Target, member: Member, sums: ptr<function, Sums>) {
  for (var n = 0u; n < fragment_count(); n++) {
    for (var i = 0u; i < bound(FRAGMENT_LANE_SIZE); i++) {
      let at = element_place(member, n, i);
      output[output_at(to, at.x, at.y)] = params.scale * sum_tile[at.x * TILE + at.y];
    }
  }
}

fn stage_nth_fragment(n: u32, member: Member, sums: ptr<function, Sums>) {
  for (var i = 0u; i < bound(FRAGMENT_LANE_SIZE); i++) {
    let at = element_place(member, n, i);
    fragments[member.subgroup * FRAGMENT_SIZE + emulated_lane + i * LANES] = sum_tile[at.x * TILE + at.y];
  }
}
