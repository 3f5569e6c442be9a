// output[i] = input[i] * scale where the hash of (seed, i) is at least the threshold, else 0: inverted dropout (Srivastava et al.,
// JMLR 15, 2014) with a counter instead of a random state, so that the backward pass finds the same mask from the seed.
// The hash is PCG-RXS-M-XS (O'Neill 2014, as in Jarzynski & Olano, JCGT 9(3), 2020), of the index and again after adding the seed:
// masks of neighbouring seeds are no shifted copies of each other. One Lane4 an invocation; buffers are padded.
// with: grid
struct Params {
  lane4_count: u32, // elements / 4, rounded up
  seed: u32,
  threshold: u32, // rate * 2^32
  scale: f32, // 1 / (1 - rate)
}

@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>; // [Lane4s]
@group(0) @binding(1) var<storage, read_write> output: array<vec4<f32>>; // [Lane4s], =
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
  let hash = pcg(pcg(index) + params.seed);
  output[i] = select(vec4<f32>(0.0), input[i] * params.scale, hash >= vec4<u32>(params.threshold));
}
