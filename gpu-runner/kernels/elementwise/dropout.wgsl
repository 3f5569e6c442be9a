// output[i] = input[i] * scale where the hash of (seed, i) is at least the threshold, else 0: inverted dropout (Srivastava et al.,
// JMLR 15, 2014) with a counter instead of a random state, so that the backward pass finds the same mask from the seed.
// The hash is PCG-RXS-M-XS (O'Neill 2014, as in Jarzynski & Olano, JCGT 9(3), 2020), of the index and again after adding the seed:
// masks of neighbouring seeds are no shifted copies of each other. One pack of four elements an invocation; buffers are padded.
// with: grid
struct Params {
  pack_count: u32, // packs of 4 elements
  seed: u32,
  threshold: u32, // rate * 2^32
  scale: f32, // 1 / (1 - rate)
}

@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>; // [packs]
@group(0) @binding(1) var<storage, read_write> output: array<vec4<f32>>; // [packs], =
@group(1) @binding(0) var<uniform> params: Params;

fn pcg(value: vec4<u32>) -> vec4<u32> {
  let state = value * 747796405u + 2891336453u;
  let word = ((state >> ((state >> vec4<u32>(28u)) + 4u)) ^ state) * 277803737u;
  return (word >> vec4<u32>(22u)) ^ word;
}

@compute @workgroup_size(64)
fn dropout(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let pack = workgroup_index(grid) * 64u + lane;
  if (pack >= params.pack_count) {
    return;
  }
  let index = vec4<u32>(0u, 1u, 2u, 3u) + 4u * pack;
  let hash = pcg(pcg(index) + params.seed);
  output[pack] = select(vec4<f32>(0.0), input[pack] * params.scale, hash >= vec4<u32>(params.threshold));
}
