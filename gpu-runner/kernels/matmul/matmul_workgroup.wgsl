// output = (accumulate ? output : 0) + scale * (op(A) op(B) + low-rank product) in f32, for GPUs: 8 x 8 elements an invocation, operands
// through workgroup memory. A workgroup of (TILE / 8)^2 owns a TILE x TILE tile; the depth is walked in steps of 16, the next step's
// operands on their way in registers while this one's are multiplied. See common/matmul_problem. On software adapters barriers make
// this slower than matmul_naive.
// with: grid, matmul_problem
const THREADS: u32 = TILE * TILE / 64u;
const QUADS: u32 = TILE / 4u; // in a row of a tile
const ROW: u32 = QUADS + 1u; // one quad of padding spreads the banks
const BLOCKS: u32 = QUADS * STEP / 4u; // of 4 x 4 elements, in one operand's tile
const BLOCKS_EACH: u32 = 2u * BLOCKS / THREADS; // one if TILE is 128, two if 64
const HALF: u32 = TILE / 8u; // quads between the two groups of rows, or columns, of an invocation

var<workgroup> left_tile: array<vec4<f32>, STEP * ROW>; // [depth, row / 4]
var<workgroup> right_tile: array<vec4<f32>, STEP * ROW>; // [depth, column / 4]

// A block's quads along TILE and along STEP, such that neighbouring blocks are neighbours in memory.
fn block_place(block: u32, is_along_depth: bool) -> vec2<u32> {
  return select(vec2<u32>(block % QUADS, block / QUADS), vec2<u32>(block / (STEP / 4u), block % (STEP / 4u)), is_along_depth);
}

// Block `n` of this step as [depth, row or column]: A's blocks come first, then B's.
fn load_block(place: Place, step: u32, n: u32) -> mat4x4<f32> {
  let is_left = n < BLOCKS;
  let is_along_depth = select(B_ALONG_DEPTH, A_ALONG_DEPTH, is_left) == 1u;
  let at = 4u * block_place(select(n - BLOCKS, n, is_left), is_along_depth);
  let line = select(at.yx, at, is_along_depth);
  var lines = mat4x4<f32>();
  if (is_left) {
    for (var i = 0u; i < 4u; i++) {
      lines[i] = left_of_tile(place, step, line.x + i, line.y);
    }
  } else {
    for (var i = 0u; i < 4u; i++) {
      lines[i] = right_of_tile(place, step, line.x + i, line.y);
    }
  }
  if (is_along_depth) {
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

// The invocation's sums, two groups of four rows by two groups of four columns. The copy is walked by a loop whose bound the compiler does
// not know: written out, 64 stores take a software adapter's compiler many seconds, and a GPU's registers are not needed any more.
fn store_sums(place: Place, y: u32, x: u32, sums: array<mat4x4<f32>, 4>) {
  var copy = sums;
  let count = min(16u, 16u * params.rows);
  for (var i = 0u; i < count; i++) {
    let row = place.row + 4u * (y + i / 8u * HALF) + i % 4u;
    let column = place.column + 4u * (x + i / 4u % 2u * HALF);
    let quad = copy[i / 4u][i % 4u];
    for (var j = 0u; j < min(4u, max(params.columns, column) - column); j++) {
      store_element(place, row, column + j, quad[j]);
    }
  }
}

@compute @workgroup_size(THREADS)
fn matmul_workgroup(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
  let place = place_of(workgroup_index(grid));
  if (place.slice >= slice_count()) {
    return;
  }
  let x = invocation % HALF;
  let y = invocation / HALF;
  var next: array<mat4x4<f32>, BLOCKS_EACH>;
  var sums_00 = mat4x4<f32>();
  var sums_01 = mat4x4<f32>();
  var sums_10 = mat4x4<f32>();
  var sums_11 = mat4x4<f32>();
  let steps = place.steps + place.low_steps;
  // Each turn fetches a step and multiplies the one before it; what the last turn fetches is not used.
  for (var step = 0u; step <= steps; step++) {
    for (var i = 0u; i < BLOCKS_EACH; i++) {
      next[i] = load_block(place, step, invocation + i * THREADS);
    }
    if (step > 0u) {
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
    }
    workgroupBarrier();
    for (var i = 0u; i < BLOCKS_EACH; i++) {
      store_block(invocation + i * THREADS, next[i]);
    }
    workgroupBarrier();
  }
  store_sums(place, y, x, array<mat4x4<f32>, 4>(sums_00, sums_01, sums_10, sums_11));
}
