// output[t, c] = input[t, c] * scale where the hash of (seed, row_seeds[t], c) is at least the threshold, else 0: inverted dropout
// (Srivastava et al., JMLR 15, 2014) with a counter instead of a random state, so that the backward pass finds the same mask from the
// seeds, and a row's mask is its own wherever it stands. The hash is PCG-RXS-M-XS (O'Neill 2014, as in Jarzynski & Olano, JCGT 9(3),
// 2020), of the column and again after adding that of the seeds: masks of neighbouring seeds are no shifted copies of each other. One
// Lane4 an invocation; buffers are padded.
// with: grid
struct Params {
  lane4_count: u32, // elements / 4, rounded up
  columns: u32,
  seed: u32,
  threshold: u32, // rate * 2^32
  scale: f32, // 1 / (1 - rate)
}

@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>; // [T, C] in Lane4s
@group(0) @binding(1) var<storage, read> row_seeds: array<u32>; // [T]
@group(0) @binding(2) var<storage, read_write> output: array<vec4<f32>>; // [T, C] in Lane4s, =
@group(1) @binding(0) var<uniform> params: Params;

fn pcg(value: vec4<u32>) -> vec4<u32> {
  let state = value * 747796405u + 2891336453u;
  let word = ((state >> ((state >> vec4<u32>(28u)) + 4u)) ^ state) * 277803737u;
  return (word >> vec4<u32>(22u)) ^ word;
}

@compute @workgroup_size(64)
fn dropout(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let i = workgroup_index(grid) * 64u + lane;
  if (i >= params.lane4_count) {
    return;
  }
  let index = vec4<u32>(0u, 1u, 2u, 3u) + 4u * i;
  let row = min(index / params.columns, vec4<u32>(arrayLength(&row_seeds) - 1u)); // of padding, the last one
  let seeds = vec4<u32>(row_seeds[row.x], row_seeds[row.y], row_seeds[row.z], row_seeds[row.w]);
  let hash = pcg(pcg(index % params.columns) + pcg(seeds + params.seed));
  output[i] = select(vec4<f32>(0.0), input[i] * params.scale, hash >= vec4<u32>(params.threshold));
}
