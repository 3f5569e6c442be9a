// output = (accumulate ? output : 0) + scale * A Wᵀ for an A of few rows: a step of decoding, which is all reading of W. W is f32 or coded
// (shared/formats/weights/quantisation.ts); a weight is code value * scale, rounded to f32, then multiplied.
// One subgroup of 8 lanes owns 32 columns and ROWS rows; lane l holds columns 4 l .. 4 l + 3, whose weights it alone reads, once for all
// rows. A's rows are read in Lane4s by lane, and travel between lanes by subgroupShuffle. f32 accumulation, the depth in order, by the
// operations of matmul_subgroup and matmul_coded_subgroup: a row's sums are the same bits in all of them.
// A load is 4 or 8 weights of a row: on a software adapter each lane of a load is looked at by itself, so that words together cost less than
// one by one, as long as registers hold them. N is a multiple of 4; stored rows of W have whole loads.
// with: grid, four_rows, output_parts
struct Params {
  rows: u32, // M
  columns: u32, // N
  depth: u32, // K
  accumulate: u32, // 0: =, 1: +=
  scale: f32,
  second_part: u32, // output_parts
  third_part: u32,
}

@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>; // [M, K]
@group(0) @binding(1) var<storage, read> w: array<Words>; // [N, K]
@group(0) @binding(2) var<storage, read> scales: array<f32>; // [N, ⌈K / 64⌉]; not read unless HAS_SCALES
@group(0) @binding(3) var<storage, read_write> output: array<vec4<f32>>; // [M, N]
@group(1) @binding(0) var<uniform> params: Params;

const LANES: u32 = 8u;
const COLUMNS: u32 = 32u; // of W's rows
const BLOCK_COLUMNS: u32 = 64u; // along the depth, that share a scale
const LOAD: u32 = 4u * FOURS_PER_LOAD; // weights
const STEP: u32 = LANES * LOAD; // along the depth: within one block of coded weights

var<private> sums: array<vec4<f32>, ROWS>;

@compute @workgroup_size(LANES)
fn matmul_few_rows_subgroup(grid: Grid, @builtin(subgroup_invocation_id) lane: u32) {
  let index = workgroup_index(grid);
  let tiles_across = (params.columns + COLUMNS - 1u) / COLUMNS;
  let first_row = index / tiles_across * ROWS;
  if (first_row >= params.rows) {
    return;
  }
  prepare_weights(lane);
  let column = index % tiles_across * COLUMNS + 4u * lane;
  // Past the edges the last row or column is computed again and not stored.
  let of_w = four_rows(column, params.columns);
  let at_w = of_w * (params.depth / LOAD);
  let at_scales = of_w * ((params.depth + BLOCK_COLUMNS - 1u) / BLOCK_COLUMNS);
  let row_lane4s = params.depth / 4u;
  for (var k = 0u; k < params.depth; k += STEP) {
    var own: array<vec4<f32>, ROWS * FOURS_PER_LOAD>;
    for (var r = 0u; r < ROWS; r++) {
      let at_row = min(first_row + r, params.rows - 1u) * row_lane4s;
      for (var f = 0u; f < FOURS_PER_LOAD; f++) {
        own[r * FOURS_PER_LOAD + f] = a[at_row + min(k / 4u + FOURS_PER_LOAD * lane + f, row_lane4s - 1u)];
      }
    }
    var s: vec4<f32>;
    if (HAS_SCALES) {
      let at = at_scales + k / BLOCK_COLUMNS;
      s = vec4<f32>(scales[at.x], scales[at.y], scales[at.z], scales[at.w]);
    }
    for (var j = 0u; j < min(LANES, (params.depth - k) / LOAD); j++) {
      let at = at_w + k / LOAD + j;
      let words = array<Words, 4>(w[at.x], w[at.y], w[at.z], w[at.w]);
      for (var f = 0u; f < FOURS_PER_LOAD; f++) {
        var weights = mat4x4<f32>(
          four_weights(words[0], f), four_weights(words[1], f), four_weights(words[2], f), four_weights(words[3], f));
        if (HAS_SCALES) {
          weights = mat4x4<f32>(weights[0] * s.x, weights[1] * s.y, weights[2] * s.z, weights[3] * s.w);
        }
        // As the tiles multiply, operation by operation.
        let of_depths = transpose(weights);
        for (var r = 0u; r < ROWS; r++) {
          sums[r] += of_depths * subgroupShuffle(own[r * FOURS_PER_LOAD + f], j);
        }
      }
    }
  }
  if (column >= params.columns) {
    return;
  }
  // A copy, walked by a variable bound: one store is compiled instead of ROWS.
  var values = sums;
  for (var r = 0u; r < min(ROWS, params.rows - first_row); r++) {
    let at = output_lane4(first_row + r, column);
    var result = params.scale * values[r];
    if (params.accumulate != 0u) {
      result += output[at];
    }
    output[at] = result;
  }
}
