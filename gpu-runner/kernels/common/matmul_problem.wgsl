// What the matmul kernels for GPUs have in common: bindings, tile numbering, and reading four neighbours of an operand.
// output = (accumulate ? output : 0) + scale * (op(A) op(B) + low_scale * left op(right)), or, sliced along the depth, one partial product
// a slice. A and B are stored along the depth (A [M, K], B [N, K]) or across it (A [K, M], B [K, N]); zeros are read past their ends.
// Sizes: TILE rows and columns of a workgroup, STEP along the depth, A_ALONG_DEPTH, B_ALONG_DEPTH, LOW_RANK (0 or 1).
// Needs an operands_* and a right_* module.
struct Params {
  rows: u32, // M
  columns: u32, // N
  depth: u32, // K
  low_depth: u32, // r; 0 without a low-rank product
  slice_depth: u32, // of the depth, for one slice; a multiple of STEP unless there is only one
  accumulate: u32, // 0: =, 1: +=
  scale: f32,
  low_scale: f32,
}

@group(0) @binding(0) var<storage, read> a: array<LeftElement>; // [M, K] or [K, M]
@group(0) @binding(1) var<storage, read> b: array<RightElement>; // [N, K] or [K, N]
@group(0) @binding(2) var<storage, read> scales: array<f32>; // of B's rows, ⌈columns / 64⌉ each; read for int8 and nf4 only
@group(0) @binding(3) var<storage, read> low_left: array<LeftElement>; // [M, r]; read with LOW_RANK only
@group(0) @binding(4) var<storage, read> low_right: array<LeftElement>; // [N, r] or [r, N], as B
@group(0) @binding(5) var<storage, read_write> output: array<f32>; // [M, N], or [slices, M, N]
@group(1) @binding(0) var<uniform> params: Params;

// LoRA's B begins at 0 and is about a learning rate large for a while, where f16 holds few bits or, on some devices, none. It is multiplied
// by this, and the left side of the low-rank product divided: powers of two, which change no bit in f32.
const LOW_UNIT: f32 = 256.0;

// Tiles are numbered in bands of this many rows of tiles, column after column: neighbours in time then share operands in the cache.
const BAND: u32 = 8u;

struct Place {
  row: u32, // first row of the tile
  column: u32,
  slice: u32, // past the last one for a surplus workgroup
  first_depth: u32,
  steps: u32, // along the depth
  low_steps: u32, // after them, along the low-rank product's depth
}

fn slice_count() -> u32 {
  return (params.depth + params.slice_depth - 1u) / params.slice_depth;
}

fn place_of(index: u32) -> Place {
  let tiles_down = (params.rows + TILE - 1u) / TILE;
  let tiles_across = (params.columns + TILE - 1u) / TILE;
  let slice = index / (tiles_down * tiles_across);
  let in_slice = index % (tiles_down * tiles_across);
  let band = in_slice / (BAND * tiles_across);
  let in_band = in_slice % (BAND * tiles_across);
  let band_height = min(BAND, tiles_down - band * BAND);
  let first_depth = slice * params.slice_depth;
  let steps = (min(params.slice_depth, params.depth - min(first_depth, params.depth)) + STEP - 1u) / STEP;
  let low_steps = select(0u, (params.low_depth + STEP - 1u) / STEP, LOW_RANK == 1u && slice == 0u);
  let row = (band * BAND + in_band % band_height) * TILE;
  return Place(row, in_band / band_height * TILE, slice, first_depth, steps, low_steps);
}

// Four neighbours of A in the tile: along the depth, `at` .. `at + 3` of row `line`; across it, rows `at` .. `at + 3` at depth `line`.
fn left_of_tile(place: Place, step: u32, line: u32, at: u32) -> vec4<f32> {
  if (LOW_RANK == 1u && step >= place.steps) {
    let low = low_left_four(place.row + line, (step - place.steps) * STEP + at, params.rows, params.low_depth);
    return (params.low_scale / LOW_UNIT) * low;
  }
  let k = place.first_depth + step * STEP;
  if (A_ALONG_DEPTH == 1u) {
    return left_four(place.row + line, k + at, params.rows, params.depth);
  }
  return left_four(k + line, place.row + at, params.depth, params.rows);
}

// The same of B.
fn right_of_tile(place: Place, step: u32, line: u32, at: u32) -> vec4<f32> {
  if (LOW_RANK == 1u && step >= place.steps) {
    let low_k = (step - place.steps) * STEP;
    if (B_ALONG_DEPTH == 1u) {
      return LOW_UNIT * low_right_four(place.column + line, low_k + at, params.columns, params.low_depth);
    }
    return LOW_UNIT * low_right_four(low_k + line, place.column + at, params.low_depth, params.columns);
  }
  let k = place.first_depth + step * STEP;
  if (B_ALONG_DEPTH == 1u) {
    return right_four(place.column + line, k + at, params.columns, params.depth);
  }
  return right_four(k + line, place.column + at, params.depth, params.columns);
}

fn store_element(place: Place, row: u32, column: u32, sum: f32) {
  if (row >= params.rows || column >= params.columns) {
    return;
  }
  let at = (place.slice * params.rows + row) * params.columns + column;
  var value = params.scale * sum;
  if (params.accumulate != 0u) {
    value += output[at];
  }
  output[at] = value;
}
