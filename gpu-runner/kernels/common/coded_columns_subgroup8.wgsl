// How a lane of matmul_coded_subgroup loads its 8 columns of a coded W: from the kernel's `w` and `scales`, with its sizes in `params`.
// For 4 depths at a time, and no more words than these need: more of them would have to be walked by a loop of their own.
// with: tile_wide_subgroup8
const WEIGHTS_PER_LOAD: u32 = CODES_PER_WORD * WORD_COUNT;
const BLOCK_COLUMNS: u32 = 64u; // of W, that share a scale

// Scales of the lane's columns 0 .. 3 and 4 .. 7 in the block that the depth is in; of a transposed W only.
var<private> low_scales: vec4<f32>;
var<private> high_scales: vec4<f32>;

fn four_of(words: Words, word: u32, place: u32) -> vec4<f32> {
  return decode_weights(word_at(words, word), word_at(words, word + 1u), place);
}

// Four columns that are rows of W, at depth k .. k + 3.
fn rows_of_w(rows: vec4<u32>, row_scales: vec4<f32>, k: u32) -> mat4x4<f32> {
  let at = rows * (params.depth / WEIGHTS_PER_LOAD) + k / WEIGHTS_PER_LOAD;
  let place = k % CODES_PER_WORD;
  var weights = mat4x4<f32>(
    four_of(w[at.x], 0u, place), four_of(w[at.y], 0u, place), four_of(w[at.z], 0u, place), four_of(w[at.w], 0u, place));
  if (HAS_SCALES) {
    weights = mat4x4<f32>(
      weights[0] * row_scales.x, weights[1] * row_scales.y, weights[2] * row_scales.z, weights[3] * row_scales.w);
  }
  return transpose(weights);
}

fn scales_of_rows(rows: vec4<u32>, k: u32) -> vec4<f32> {
  let at = rows * ((params.depth + BLOCK_COLUMNS - 1u) / BLOCK_COLUMNS) + k / BLOCK_COLUMNS;
  return vec4<f32>(scales[at.x], scales[at.y], scales[at.z], scales[at.w]);
}

fn load_transposed(low_rows: vec4<u32>, high_rows: vec4<u32>, k: u32) -> WideColumns {
  if (HAS_SCALES && k % BLOCK_COLUMNS == 0u) {
    low_scales = scales_of_rows(low_rows, k);
    high_scales = scales_of_rows(high_rows, k);
  }
  return WideColumns(rows_of_w(low_rows, low_scales, k), rows_of_w(high_rows, high_scales, k));
}

// Rows k .. k + 3 of W at the lane's 8 columns. The tile's columns are in one block, so its lanes share each row's scale.
fn load_plain(column: u32, lane: u32, k: u32) -> WideColumns {
  let at = (vec4<u32>(k) + vec4<u32>(0u, 1u, 2u, 3u)) * (params.columns / 8u) + min(column, params.columns - 8u) / 8u;
  let second = 4u / CODES_PER_WORD; // the word of columns 4 .. 7; 0 where all 8 are in one
  let place = 4u % CODES_PER_WORD;
  let words = array<Words, 4>(w[at.x], w[at.y], w[at.z], w[at.w]);
  var low = mat4x4<f32>(
    four_of(words[0], 0u, 0u), four_of(words[1], 0u, 0u), four_of(words[2], 0u, 0u), four_of(words[3], 0u, 0u));
  var high = mat4x4<f32>(
    four_of(words[0], second, place), four_of(words[1], second, place),
    four_of(words[2], second, place), four_of(words[3], second, place));
  if (HAS_SCALES) {
    let blocks = (params.columns + BLOCK_COLUMNS - 1u) / BLOCK_COLUMNS;
    let own = scales[(k + lane % 4u) * blocks + min(column, params.columns - 1u) / BLOCK_COLUMNS];
    let s = vec4<f32>(
      subgroupBroadcast(own, 0u), subgroupBroadcast(own, 1u), subgroupBroadcast(own, 2u), subgroupBroadcast(own, 3u));
    low = mat4x4<f32>(low[0] * s.x, low[1] * s.y, low[2] * s.z, low[3] * s.w);
    high = mat4x4<f32>(high[0] * s.x, high[1] * s.y, high[2] * s.z, high[3] * s.w);
  }
  return WideColumns(low, high);
}
