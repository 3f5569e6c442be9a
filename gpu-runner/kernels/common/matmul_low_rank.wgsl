// The parameters of matmul_subgroup and matmul_coded_subgroup: a product, and with LOW_RANK that of left and right, low_scale times.
override TRANSPOSE_B: bool = false; // the second operand is stored [N, K], and right [N, r]
override LOW_RANK: bool = false; // left and right take part

struct Params {
  rows: u32, // M
  columns: u32, // N
  depth: u32, // K
  low_depth: u32, // r, a multiple of 4
  accumulate: u32, // 0: =, 1: +=
  scale: f32,
  low_scale: f32,
  second_part: u32, // output_parts
  third_part: u32,
}

@group(1) @binding(0) var<uniform> params: Params;
