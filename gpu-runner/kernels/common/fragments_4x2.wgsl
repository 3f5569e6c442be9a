// 4 x 2 fragments of a subgroup, every one by a constant index: an array of subgroup matrices must stay in registers.
const FRAGMENT_ROWS: u32 = 4u;
const FRAGMENT_COLUMNS: u32 = 2u;

alias Sums = array<Sum, 8>; // row after row of fragments

fn first_sums(to: Target, member: Member) -> Sums {
  return Sums(
    first_sum(to, member, 0u, 0u),
    first_sum(to, member, 0u, MATRIX_COLUMNS),
    first_sum(to, member, MATRIX_ROWS, 0u),
    first_sum(to, member, MATRIX_ROWS, MATRIX_COLUMNS),
    first_sum(to, member, 2u * MATRIX_ROWS, 0u),
    first_sum(to, member, 2u * MATRIX_ROWS, MATRIX_COLUMNS),
    first_sum(to, member, 3u * MATRIX_ROWS, 0u),
    first_sum(to, member, 3u * MATRIX_ROWS, MATRIX_COLUMNS),
  );
}

// sums += the products of one step of MATRIX_DEPTH, at depth `k` of the staged tiles.
fn multiply_fragments(sums: ptr<function, Sums>, buffer: u32, row: u32, column: u32, k: u32) {
  let left_0 = load_left(buffer, row, k);
  let left_1 = load_left(buffer, row + MATRIX_ROWS, k);
  let left_2 = load_left(buffer, row + 2u * MATRIX_ROWS, k);
  let left_3 = load_left(buffer, row + 3u * MATRIX_ROWS, k);
  let right_0 = load_right(buffer, column, k);
  let right_1 = load_right(buffer, column + MATRIX_COLUMNS, k);
  sums[0] = multiply_add(left_0, right_0, sums[0]);
  sums[1] = multiply_add(left_0, right_1, sums[1]);
  sums[2] = multiply_add(left_1, right_0, sums[2]);
  sums[3] = multiply_add(left_1, right_1, sums[3]);
  sums[4] = multiply_add(left_2, right_0, sums[4]);
  sums[5] = multiply_add(left_2, right_1, sums[5]);
  sums[6] = multiply_add(left_3, right_0, sums[6]);
  sums[7] = multiply_add(left_3, right_1, sums[7]);
}

fn finish_fragments(to: Target, member: Member, invocation: u32, sums: ptr<function, Sums>) {
  finish_fragment(to, member, invocation, 0u, 0u, sums[0]);
  finish_fragment(to, member, invocation, 0u, MATRIX_COLUMNS, sums[1]);
  finish_fragment(to, member, invocation, MATRIX_ROWS, 0u, sums[2]);
  finish_fragment(to, member, invocation, MATRIX_ROWS, MATRIX_COLUMNS, sums[3]);
  finish_fragment(to, member, invocation, 2u * MATRIX_ROWS, 0u, sums[4]);
  finish_fragment(to, member, invocation, 2u * MATRIX_ROWS, MATRIX_COLUMNS, sums[5]);
  finish_fragment(to, member, invocation, 3u * MATRIX_ROWS, 0u, sums[6]);
  finish_fragment(to, member, invocation, 3u * MATRIX_ROWS, MATRIX_COLUMNS, sums[7]);
}
