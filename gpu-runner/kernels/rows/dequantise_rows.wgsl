// output[r] = row r of a coded matrix in f32, or row `rows[r] - first_row` where rows are listed: weight = code value · scale.
// Listed rows that lie in another range of a matrix in several buffers are left alone.
// Layout: shared/formats/weights/quantisation.ts. A row starts at a word; scales belong to blocks of 64 columns. One Lane4 of a row an invocation.
// with: grid
struct Params {
  row_count: u32, // R
  lane4s_per_row: u32, // C / LANE4_SIZE
  first_row: u32, // where the range that is bound begins; read only with `rows`
  input_row_count: u32, // V, its rows
  is_listed: u32, // 1: take `rows`; 0: `rows` is not read
}

const BLOCK_COLUMNS: u32 = 64u;

@group(0) @binding(0) var<storage, read> words: array<u32>; // [V, ⌈C / CODES_PER_WORD⌉]
@group(0) @binding(1) var<storage, read> scales: array<f32>; // [V, ⌈C / 64⌉]; not read unless HAS_SCALES
@group(0) @binding(2) var<storage, read> rows: array<u32>; // [R], rows of the whole matrix
@group(0) @binding(3) var<storage, read_write> output: array<Lane4>; // [R, C], =
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn dequantise_rows(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let index = workgroup_index(grid) * 64u + lane;
  let output_row = index / params.lane4s_per_row;
  if (output_row >= params.row_count) {
    return;
  }
  var row = output_row;
  if (params.is_listed != 0u) {
    // Before the range the difference wraps around, to beyond its end.
    row = rows[output_row] - params.first_row;
    if (row >= params.input_row_count) {
      return;
    }
  }
  let columns = params.lane4s_per_row * LANE4_SIZE;
  let column = index % params.lane4s_per_row * LANE4_SIZE;
  // Weights are decoded in fours also where columns are written one by one; past a row's end they are not used.
  let four = column & ~3u;
  let word = row * ((columns + CODES_PER_WORD - 1u) / CODES_PER_WORD) + four / CODES_PER_WORD;
  var second = 0u;
  if (CODES_PER_WORD == 2u) {
    second = words[min(word + 1u, arrayLength(&words) - 1u)];
  }
  var weights = decode_weights(words[word], second, four % CODES_PER_WORD);
  if (HAS_SCALES) {
    weights *= scales[row * ((columns + BLOCK_COLUMNS - 1u) / BLOCK_COLUMNS) + column / BLOCK_COLUMNS];
  }
  output[index] = lane4_of(weights, column);
}
