// output = (accumulate ? output : 0) + scale * (op(A) op(B) + low-rank product) in f32, for GPUs: 8 x 8 elements an invocation, operands
// through workgroup memory. A workgroup of (TILE / 8)^2 owns a TILE x TILE tile; the depth is walked in steps of 16, the next step's
// operands on their way in registers while this one's are multiplied. See common/matmul_problem. On software adapters barriers make
// this slower than matmul_naive.
const THREADS: u32 = TILE * TILE / 64u;
const QUADS: u32 = TILE / 4u; // in a row of a tile
const ROW: u32 = QUADS + 1u; // one quad of padding spreads the banks
const BLOCKS: u32 = QUADS * STEP / 4u; // of 4 x 4 elements, in one operand's tile
const BLOCKS_EACH: u32 = 2u * BLOCKS / THREADS; // one if TILE is 128, two if 64, four if 32
const HALF: u32 = TILE / 8u; // quads between the two groups of rows, or columns, of an invocation

var<workgroup> left_tile: array<vec4<f32>, STEP * ROW>; // [depth, row / 4]
var<workgroup> right_tile: array<vec4<f32>, STEP * ROW>; // [depth, column / 4]

// A block's quads along TILE and along STEP, such that neighbouring blocks are neighbours in memory.
fn block_place(block: u32, is_along_depth: bool) -> vec2<u32> {
  return select(vec2<u32>(block % QUADS, block / QUADS), vec2<u32>(block / (STEP / 4u), block % (STEP / 4u)), is_along_depth);
}

// Block `n` of this step as [depth, row or column]: A's blocks come first, then B's.
fn load_block(place: Place, step: u32, n: u32) -> mat4x4<f32> {
  if (n < BLOCKS) {
    let at = 4u * block_place(n, A_ALONG_DEPTH == 1u);
    let line = select(at.yx, at, A_ALONG_DEPTH == 1u);
    let lines = mat4x4<f32>(
      left_of_tile(place, step, line.x, line.y), left_of_tile(place, step, line.x + 1u, line.y),
      left_of_tile(place, step, line.x + 2u, line.y), left_of_tile(place, step, line.x + 3u, line.y));
    if (A_ALONG_DEPTH == 1u) {
      return transpose(lines);
    }
    return lines;
  }
  let at = 4u * block_place(n - BLOCKS, B_ALONG_DEPTH == 1u);
  let line = select(at.yx, at, B_ALONG_DEPTH == 1u);
  let lines = mat4x4<f32>(
    right_of_tile(place, step, line.x, line.y), right_of_tile(place, step, line.x + 1u, line.y),
    right_of_tile(place, step, line.x + 2u, line.y), right_of_tile(place, step, line.x + 3u, line.y));
  if (B_ALONG_DEPTH == 1u) {
    return transpose(lines);
  }
  return lines;
}

fn store_block(n: u32, block: mat4x4<f32>) {
  if (n < BLOCKS) {
    let at = block_place(n, A_ALONG_DEPTH == 1u);
    for (var i = 0u; i < 4u; i++) {
      left_tile[(4u * at.y + i) * ROW + at.x] = block[i];
    }
  } else {
    let at = block_place(n - BLOCKS, B_ALONG_DEPTH == 1u);
    for (var i = 0u; i < 4u; i++) {
      right_tile[(4u * at.y + i) * ROW + at.x] = block[i];
    }
  }
}

fn outer(column: vec4<f32>, row: vec4<f32>) -> mat4x4<f32> {
  return mat4x4<f32>(column.x * row, column.y * row, column.z * row, column.w * row);
}

fn store_quad(place: Place, row: u32, column: u32, sums: vec4<f32>) {
  store_element(place, row, column, sums.x);
  store_element(place, row, column + 1u, sums.y);
  store_element(place, row, column + 2u, sums.z);
  store_element(place, row, column + 3u, sums.w);
}

fn store_sums(place: Place, row: u32, column: u32, sums: mat4x4<f32>) {
  store_quad(place, row, column, sums[0]);
  store_quad(place, row + 1u, column, sums[1]);
  store_quad(place, row + 2u, column, sums[2]);
  store_quad(place, row + 3u, column, sums[3]);
}

@compute @workgroup_size(THREADS)
fn matmul_workgroup(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
) {
  let place = place_of(workgroup_index(workgroup, workgroups));
  if (place.slice >= slice_count()) {
    return;
  }
  let x = invocation % HALF;
  let y = invocation / HALF;
  var next: array<mat4x4<f32>, BLOCKS_EACH>;
  for (var i = 0u; i < BLOCKS_EACH; i++) {
    next[i] = load_block(place, 0u, invocation + i * THREADS);
  }
  var sums_00 = mat4x4<f32>();
  var sums_01 = mat4x4<f32>();
  var sums_10 = mat4x4<f32>();
  var sums_11 = mat4x4<f32>();
  let steps = place.steps + place.low_steps;
  for (var step = 0u; step < steps; step++) {
    for (var i = 0u; i < BLOCKS_EACH; i++) {
      store_block(invocation + i * THREADS, next[i]);
    }
    workgroupBarrier();
    // What is read past the last step is not used.
    for (var i = 0u; i < BLOCKS_EACH; i++) {
      next[i] = load_block(place, step + 1u, invocation + i * THREADS);
    }
    for (var d = 0u; d < STEP; d++) {
      let left_0 = left_tile[d * ROW + y];
      let left_1 = left_tile[d * ROW + HALF + y];
      let right_0 = right_tile[d * ROW + x];
      let right_1 = right_tile[d * ROW + HALF + x];
      sums_00 += outer(left_0, right_0);
      sums_01 += outer(left_0, right_1);
      sums_10 += outer(left_1, right_0);
      sums_11 += outer(left_1, right_1);
    }
    workgroupBarrier();
  }
  let row = place.row + 4u * y;
  let column = place.column + 4u * x;
  store_sums(place, row, column, sums_00);
  store_sums(place, row, column + 4u * HALF, sums_01);
  store_sums(place, row + 4u * HALF, column, sums_10);
  store_sums(place, row + 4u * HALF, column + 4u * HALF, sums_11);
}
