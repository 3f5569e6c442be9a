// Rotary position embedding, half-rotation layout of Hugging Face: with (a, b) = (x[i], x[i + D/2]) of one head,
// output = (a cos - b sin, b cos + a sin). Su et al., arXiv 2104.09864. `direction` = -1 turns back: the backward pass.
// Cosines and sines come from a table made in f64: WGSL's own lose accuracy for large angles.
// One Lane4 of (token, head, i) an invocation.
// with: grid
struct Params {
  token_count: u32, // T
  head_count: u32, // H
  half_lane4s: u32, // D / 2 / LANE4_SIZE
  direction: f32, // 1 forward, -1 backward
}

@group(0) @binding(0) var<storage, read> input: array<Lane4>; // [T, H * D]
@group(0) @binding(1) var<storage, read> positions: array<u32>; // [T], rows of table
@group(0) @binding(2) var<storage, read> table: array<Lane4>; // [positions, D]: D/2 cosines, D/2 sines
@group(0) @binding(3) var<storage, read_write> output: array<Lane4>; // [T, H * D], =
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn rope(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let index = workgroup_index(grid) * 64u + lane;
  let token_and_head = index / params.half_lane4s;
  let token = token_and_head / params.head_count;
  if (token >= params.token_count) {
    return;
  }
  let i = index % params.half_lane4s;
  let first = token_and_head * 2u * params.half_lane4s + i;
  let second = first + params.half_lane4s;
  let entry = positions[token] * 2u * params.half_lane4s + i;
  let cosine = table[entry];
  let sine = table[entry + params.half_lane4s] * params.direction;
  let a = input[first];
  let b = input[second];
  output[first] = a * cosine - b * sine;
  output[second] = b * cosine + a * sine;
}
