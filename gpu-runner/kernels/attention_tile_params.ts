// The parameters that all attention_tile_* kernels share: the struct Params of common/attention_tiles.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"

export const attentionTileParams = {
  query_count: "u32",
  key_count: "u32",
  head_count: "u32",
  group_size: "u32",
  head_packs: "u32",
  tile_count: "u32",
  first_head: "u32",
  heads: "u32",
  first_matrix: "u32",
  tile_rows: "u32",
  scale: "f32",
  soft_cap: "f32",
} as const satisfies Kernel["params"]
