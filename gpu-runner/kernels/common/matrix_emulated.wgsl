// Subgroup matrices imitated by plain code, so that everything of matmul_matrix but the built-ins can be run where there are none.
// Same names as matrix_native. An operand's fragment is a place in its tile; lane l of LANES holds elements l, l + LANES, … of a sum.
const SUM_SIZE: u32 = MATRIX_ROWS * MATRIX_COLUMNS / LANES;

struct Left {
  buffer: u32,
  row: u32,
  k: u32,
}

struct Right {
  buffer: u32,
  column: u32,
  k: u32,
}

alias Sum = array<f32, SUM_SIZE>;

var<private> emulated_lane: u32;

fn matrix_subgroup(subgroup_id: u32, invocation: u32) -> u32 {
  emulated_lane = invocation % LANES;
  return invocation / LANES;
}

fn load_left(buffer: u32, row: u32, k: u32) -> Left {
  return Left(buffer, row, k);
}

fn load_right(buffer: u32, column: u32, k: u32) -> Right {
  return Right(buffer, column, k);
}

fn left_element(left: Left, row: u32, k: u32) -> f32 {
  let line = select(left.k + k, left.row + row, A_ALONG_DEPTH == 1u);
  let at = select(left.row + row, left.k + k, A_ALONG_DEPTH == 1u);
  return f32(left_tile[left.buffer * LEFT_QUADS + line * LEFT_ROW + at / 4u][at % 4u]);
}

fn right_element(right: Right, column: u32, k: u32) -> f32 {
  let line = select(right.k + k, right.column + column, B_ALONG_DEPTH == 1u);
  let at = select(right.column + column, right.k + k, B_ALONG_DEPTH == 1u);
  return f32(right_tile[right.buffer * RIGHT_QUADS + line * RIGHT_ROW + at / 4u][at % 4u]);
}

fn multiply_add(left: Left, right: Right, sum: Sum) -> Sum {
  var result = sum;
  for (var i = 0u; i < SUM_SIZE; i++) {
    let element = emulated_lane + i * LANES;
    for (var k = 0u; k < MATRIX_DEPTH; k++) {
      result[i] += left_element(left, element / MATRIX_COLUMNS, k) * right_element(right, element % MATRIX_COLUMNS, k);
    }
  }
  return result;
}

fn element_at(at: u32, i: u32, stride: u32) -> u32 {
  let element = emulated_lane + i * LANES;
  return at + element / MATRIX_COLUMNS * stride + element % MATRIX_COLUMNS;
}

fn load_output(at: u32) -> Sum {
  var sum: Sum;
  for (var i = 0u; i < SUM_SIZE; i++) {
    sum[i] = output[element_at(at, i, params.columns)];
  }
  return sum;
}

fn store_output(at: u32, sum: Sum) {
  for (var i = 0u; i < SUM_SIZE; i++) {
    output[element_at(at, i, params.columns)] = params.scale * sum[i];
  }
}

fn store_fragment(subgroup: u32, sum: Sum) {
  for (var i = 0u; i < SUM_SIZE; i++) {
    fragments[element_at(subgroup * FRAGMENT_SIZE, i, MATRIX_COLUMNS)] = sum[i];
  }
}
