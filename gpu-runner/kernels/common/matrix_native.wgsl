// The device's subgroup matrices as fragment-text.ts uses them; matrix_emulated stands for both. Offsets and strides of workgroup tiles count
// quads, since these are arrays of quads.
// with: matrix_staging
alias Left = subgroup_matrix_left<f16, MATRIX_DEPTH, MATRIX_ROWS>;
alias Right = subgroup_matrix_right<f16, MATRIX_COLUMNS, MATRIX_DEPTH>;
alias Sum = subgroup_matrix_result<f32, MATRIX_COLUMNS, MATRIX_ROWS>;

// The number of the invocation's subgroup in its workgroup.
fn matrix_subgroup(subgroup_id: u32, invocation: u32) -> u32 {
  return subgroup_id;
}

fn load_left(buffer: u32, row: u32, k: u32) -> Left {
  if (A_ALONG_DEPTH == 1u) {
    return subgroupMatrixLoad<Left, row_major>(&left_tile, buffer * LEFT_QUADS + row * LEFT_ROW + k / 4u, LEFT_ROW);
  }
  return subgroupMatrixLoad<Left, col_major>(&left_tile, buffer * LEFT_QUADS + k * LEFT_ROW + row / 4u, LEFT_ROW);
}

fn load_right(buffer: u32, column: u32, k: u32) -> Right {
  if (B_ALONG_DEPTH == 1u) {
    return subgroupMatrixLoad<Right, col_major>(&right_tile, buffer * RIGHT_QUADS + column * RIGHT_ROW + k / 4u, RIGHT_ROW);
  }
  return subgroupMatrixLoad<Right, row_major>(&right_tile, buffer * RIGHT_QUADS + k * RIGHT_ROW + column / 4u, RIGHT_ROW);
}

fn multiply_add(left: Left, right: Right, sum: Sum) -> Sum {
  return subgroupMatrixMultiplyAccumulate(left, right, sum);
}

fn load_output(at: u32) -> Sum {
  return subgroupMatrixLoad<Sum, row_major>(&output, at, params.columns);
}

fn store_output(at: u32, sum: Sum) {
  subgroupMatrixStore<row_major>(&output, at, subgroupMatrixScalarMultiply(sum, params.scale), params.columns);
}

fn store_fragment(subgroup: u32, sum: Sum) {
  subgroupMatrixStore<row_major>(&fragments, subgroup * FRAGMENT_SIZE, sum, MATRIX_COLUMNS);
}
