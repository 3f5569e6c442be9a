// product [M, N] = A B by one subgroup, once from A and B row by row and once from their transposes column by column, halved:
// whether the device's subgroup matrices compute what they are listed for, in both layouts. M, N, K are the configuration's.
const LEFT_QUADS: u32 = MATRIX_ROWS * MATRIX_DEPTH / 4u;
const RIGHT_QUADS: u32 = MATRIX_DEPTH * MATRIX_COLUMNS / 4u;
const QUADS: u32 = 2u * (LEFT_QUADS + RIGHT_QUADS);

alias Left = subgroup_matrix_left<f16, MATRIX_DEPTH, MATRIX_ROWS>;
alias Right = subgroup_matrix_right<f16, MATRIX_COLUMNS, MATRIX_DEPTH>;
alias Sum = subgroup_matrix_result<f32, MATRIX_COLUMNS, MATRIX_ROWS>;

@group(0) @binding(0) var<storage, read> operands: array<vec4<f32>>; // A [M, K], Aᵀ, B [K, N], Bᵀ
@group(0) @binding(1) var<storage, read_write> product: array<f32>; // [M, N], =

var<workgroup> tile: array<vec4<f16>, QUADS>;

@compute @workgroup_size(LANES)
fn matrix_probe(@builtin(local_invocation_index) lane: u32) {
  for (var i = lane; i < QUADS; i += LANES) {
    tile[i] = vec4<f16>(operands[i]);
  }
  workgroupBarrier();
  // Offsets and strides count elements of the array: quads.
  let left = subgroupMatrixLoad<Left, row_major>(&tile, 0u, MATRIX_DEPTH / 4u);
  let left_again = subgroupMatrixLoad<Left, col_major>(&tile, LEFT_QUADS, MATRIX_ROWS / 4u);
  let right = subgroupMatrixLoad<Right, row_major>(&tile, 2u * LEFT_QUADS, MATRIX_COLUMNS / 4u);
  let right_again = subgroupMatrixLoad<Right, col_major>(&tile, 2u * LEFT_QUADS + RIGHT_QUADS, MATRIX_DEPTH / 4u);
  var sum = Sum();
  sum = subgroupMatrixMultiplyAccumulate(left, right_again, sum);
  sum = subgroupMatrixMultiplyAccumulate(left_again, right, sum);
  subgroupMatrixStore<row_major>(&product, 0u, subgroupMatrixScalarMultiply(sum, 0.5f), MATRIX_COLUMNS);
}
