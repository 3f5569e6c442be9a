// output = (accumulate ? output : 0) + scale * (op(A) op(B) + low-rank product) by subgroup matrices: operands rounded to f16, sums in
// f32. See common/matmul_problem. A workgroup owns a TILE x TILE tile; each of its subgroups multiplies FRAGMENT_ROWS x FRAGMENT_COLUMNS
// fragments (fragment-text.ts). Both operands pass through workgroup memory, f32 or coded in memory and f16 there, in two buffers:
// one step's are multiplied while the next one's are on their way, with one barrier a step. Operands beyond f16's range saturate.
// with: grid, matmul_problem
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

// Place in the output of a row and column of the tile.
fn output_at(to: Target, row: u32, column: u32) -> u32 {
  return (to.place.slice * params.rows + to.place.row + row) * params.columns + to.place.column + column;
}

// Every subgroup's n-th fragment from `fragments` to the output, as far as it reaches.
fn store_ragged(place: Place, n: u32, invocation: u32) {
  let in_subgroup = vec2<u32>(n / FRAGMENT_COLUMNS * MATRIX_ROWS, n % FRAGMENT_COLUMNS * MATRIX_COLUMNS);
  for (var i = invocation; i < SUBGROUPS * FRAGMENT_SIZE; i += THREADS) {
    let in_fragment = vec2<u32>(i % FRAGMENT_SIZE / MATRIX_COLUMNS, i % MATRIX_COLUMNS);
    let at = vec2<u32>(place.row, place.column) + subgroup_origin(i / FRAGMENT_SIZE) + in_subgroup + in_fragment;
    store_element(place, at.x, at.y, fragments[i]);
  }
}

// First row and column of a subgroup's fragments in the tile.
fn subgroup_origin(subgroup: u32) -> vec2<u32> {
  let fragment_size = vec2<u32>(FRAGMENT_ROWS * MATRIX_ROWS, FRAGMENT_COLUMNS * MATRIX_COLUMNS);
  return vec2<u32>(subgroup / SUBGROUPS_ACROSS, subgroup % SUBGROUPS_ACROSS) * fragment_size;
}

@compute @workgroup_size(THREADS)
fn matmul_matrix(grid: Grid, @builtin(subgroup_id) subgroup_id: u32, @builtin(local_invocation_index) invocation: u32) {
  let place = place_of(workgroup_index(grid));
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
  let steps = place.steps + place.low_steps;
  // Each turn fetches a step and multiplies the one before it; what the last turn fetches is not used.
  for (var step = 0u; step <= steps; step++) {
    let next = fetch(place, step, invocation);
    if (step > 0u) {
      for (var k = 0u; k < STEP; k += MATRIX_DEPTH) {
        multiply_fragments(&sums, (step - 1u) % 2u, member, k);
      }
    }
    stage(step % 2u, invocation, next);
    workgroupBarrier();
  }
  if (is_direct) {
    store_fragments(to, member, &sums);
    return;
  }
  for (var n = 0u; n < FRAGMENT_ROWS * FRAGMENT_COLUMNS; n++) {
    stage_nth_fragment(n, member, &sums);
    workgroupBarrier();
    store_ragged(place, n, invocation);
    workgroupBarrier();
  }
}
