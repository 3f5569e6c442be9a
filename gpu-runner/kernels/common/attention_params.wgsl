// The parameters of the portable attention kernels and of those in workgroup memory; the tiled ones have more (attention_tiles).
struct Params {
  query_count: u32, // Q
  key_count: u32, // T
  head_count: u32, // H
  group_size: u32, // H / KV
  head_lane4s: u32, // D / 4
  scale: f32, // of the scores
  soft_cap: f32, // of the scaled scores; read with SOFT_CAP only
}

@group(1) @binding(0) var<uniform> params: Params;
