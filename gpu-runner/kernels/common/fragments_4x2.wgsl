// 4 x 2 fragments of a subgroup, each by a constant index: an array of subgroup matrices has to stay in registers.
alias Sums = array<Sum, FRAGMENT_ROWS * FRAGMENT_COLUMNS>; // row after row of fragments

// Zeros, or what the output holds where fragments are added to it directly.
fn first_sums(to: Target, member: Member) -> Sums {
  var sums: Sums;
  if (to.is_direct && params.accumulate != 0u) {
    sums[0] = load_output(output_at(to, member.row, member.column));
    sums[1] = load_output(output_at(to, member.row, member.column + MATRIX_COLUMNS));
    sums[2] = load_output(output_at(to, member.row + MATRIX_ROWS, member.column));
    sums[3] = load_output(output_at(to, member.row + MATRIX_ROWS, member.column + MATRIX_COLUMNS));
    sums[4] = load_output(output_at(to, member.row + 2u * MATRIX_ROWS, member.column));
    sums[5] = load_output(output_at(to, member.row + 2u * MATRIX_ROWS, member.column + MATRIX_COLUMNS));
    sums[6] = load_output(output_at(to, member.row + 3u * MATRIX_ROWS, member.column));
    sums[7] = load_output(output_at(to, member.row + 3u * MATRIX_ROWS, member.column + MATRIX_COLUMNS));
  }
  return sums;
}

// sums += the products of one step of MATRIX_DEPTH, at depth `k` of the staged tiles.
fn multiply_fragments(sums: ptr<function, Sums>, buffer: u32, member: Member, k: u32) {
  let left_0 = load_left(buffer, member.row, k);
  let left_1 = load_left(buffer, member.row + MATRIX_ROWS, k);
  let left_2 = load_left(buffer, member.row + 2u * MATRIX_ROWS, k);
  let left_3 = load_left(buffer, member.row + 3u * MATRIX_ROWS, k);
  let right_0 = load_right(buffer, member.column, k);
  let right_1 = load_right(buffer, member.column + MATRIX_COLUMNS, k);
  sums[0] = multiply_add(left_0, right_0, sums[0]);
  sums[1] = multiply_add(left_0, right_1, sums[1]);
  sums[2] = multiply_add(left_1, right_0, sums[2]);
  sums[3] = multiply_add(left_1, right_1, sums[3]);
  sums[4] = multiply_add(left_2, right_0, sums[4]);
  sums[5] = multiply_add(left_2, right_1, sums[5]);
  sums[6] = multiply_add(left_3, right_0, sums[6]);
  sums[7] = multiply_add(left_3, right_1, sums[7]);
}

fn store_fragments(to: Target, member: Member, sums: ptr<function, Sums>) {
  store_output(output_at(to, member.row, member.column), sums[0]);
  store_output(output_at(to, member.row, member.column + MATRIX_COLUMNS), sums[1]);
  store_output(output_at(to, member.row + MATRIX_ROWS, member.column), sums[2]);
  store_output(output_at(to, member.row + MATRIX_ROWS, member.column + MATRIX_COLUMNS), sums[3]);
  store_output(output_at(to, member.row + 2u * MATRIX_ROWS, member.column), sums[4]);
  store_output(output_at(to, member.row + 2u * MATRIX_ROWS, member.column + MATRIX_COLUMNS), sums[5]);
  store_output(output_at(to, member.row + 3u * MATRIX_ROWS, member.column), sums[6]);
  store_output(output_at(to, member.row + 3u * MATRIX_ROWS, member.column + MATRIX_COLUMNS), sums[7]);
}

// The n-th one to `fragments`; n is the same for the whole workgroup.
fn stage_nth_fragment(n: u32, member: Member, sums: ptr<function, Sums>) {
  switch n {
    case 0u: {
      store_fragment(member.subgroup, sums[0]);
    }
    case 1u: {
      store_fragment(member.subgroup, sums[1]);
    }
    case 2u: {
      store_fragment(member.subgroup, sums[2]);
    }
    case 3u: {
      store_fragment(member.subgroup, sums[3]);
    }
    case 4u: {
      store_fragment(member.subgroup, sums[4]);
    }
    case 5u: {
      store_fragment(member.subgroup, sums[5]);
    }
    case 6u: {
      store_fragment(member.subgroup, sums[6]);
    }
    default: {
      store_fragment(member.subgroup, sums[7]);
    }
  }
}
