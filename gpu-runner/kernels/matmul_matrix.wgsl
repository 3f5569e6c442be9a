// output = (accumulate ? output : 0) + scale * (op(A) op(B) + low-rank product) by subgroup matrices: operands rounded to f16, sums in
// f32. See common/matmul_problem. A workgroup owns a TILE x TILE tile; each of its subgroups multiplies FRAGMENT_ROWS x FRAGMENT_COLUMNS
// fragments (common/fragments_*). Both operands pass through workgroup memory, f32 or packed in memory and f16 there, in two buffers:
// one step's are multiplied while the next one's are on their way, with one barrier a step. Operands beyond f16's range saturate.
const SUBGROUPS_ACROSS: u32 = TILE / (FRAGMENT_COLUMNS * MATRIX_COLUMNS);
const FRAGMENT_SIZE: u32 = MATRIX_ROWS * MATRIX_COLUMNS;

var<workgroup> fragments: array<f32, SUBGROUPS * FRAGMENT_SIZE>; // on their way to the ragged edge of the output

// What is the same for a whole workgroup: where its tile is, and whether fragments go straight to the output, or to its ragged edge by
// way of `fragments`.
struct Target {
  place: Place,
  is_direct: bool,
}

// What is the same for a subgroup: its number, and its first row and column in the tile.
struct Member {
  subgroup: u32,
  row: u32,
  column: u32,
}

fn output_at(to: Target, member: Member, row: u32, column: u32) -> u32 {
  let output_row = to.place.slice * params.rows + to.place.row + member.row + row;
  return output_row * params.columns + to.place.column + member.column + column;
}

fn first_sum(to: Target, member: Member, row: u32, column: u32) -> Sum {
  if (to.is_direct && params.accumulate != 0u) {
    return load_output(output_at(to, member, row, column));
  }
  return Sum();
}

fn finish_fragment(to: Target, member: Member, invocation: u32, row: u32, column: u32, sum: Sum) {
  if (to.is_direct) {
    store_output(output_at(to, member, row, column), sum);
    return;
  }
  store_fragment(member.subgroup, sum);
  workgroupBarrier();
  for (var i = invocation; i < SUBGROUPS * FRAGMENT_SIZE; i += THREADS) {
    let of_subgroup = subgroup_origin(i / FRAGMENT_SIZE);
    let tile_row = of_subgroup.x + row + i % FRAGMENT_SIZE / MATRIX_COLUMNS;
    let tile_column = of_subgroup.y + column + i % MATRIX_COLUMNS;
    store_element(to.place, to.place.row + tile_row, to.place.column + tile_column, fragments[i]);
  }
  workgroupBarrier();
}

// First row and column of a subgroup's fragments in the tile.
fn subgroup_origin(subgroup: u32) -> vec2<u32> {
  let fragment_size = vec2<u32>(FRAGMENT_ROWS * MATRIX_ROWS, FRAGMENT_COLUMNS * MATRIX_COLUMNS);
  return vec2<u32>(subgroup / SUBGROUPS_ACROSS, subgroup % SUBGROUPS_ACROSS) * fragment_size;
}

@compute @workgroup_size(THREADS)
fn matmul_matrix(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(subgroup_id) subgroup_id: u32,
  @builtin(local_invocation_index) invocation: u32,
) {
  let place = place_of(workgroup_index(workgroup, workgroups));
  if (place.slice >= slice_count()) {
    return;
  }
  let subgroup = matrix_subgroup(subgroup_id, invocation);
  let origin = subgroup_origin(subgroup);
  let is_whole = place.row + TILE <= params.rows && place.column + TILE <= params.columns && params.columns % 4u == 0u;
  let is_direct = is_whole && (params.accumulate == 0u || params.scale == 1.0);
  let to = Target(place, is_direct);
  let member = Member(subgroup, origin.x, origin.y);
  var sums = first_sums(to, member);
  stage(0u, invocation, fetch(place, 0u, invocation));
  workgroupBarrier();
  let steps = place.steps + place.low_steps;
  for (var step = 0u; step < steps; step++) {
    // What is fetched past the last step is not used.
    let next = fetch(place, step + 1u, invocation);
    for (var k = 0u; k < STEP; k += MATRIX_DEPTH) {
      multiply_fragments(&sums, step % 2u, origin.x, origin.y, k);
    }
    stage((step + 1u) % 2u, invocation, next);
    workgroupBarrier();
  }
  finish_fragments(to, member, invocation, &sums);
}
