// What the attention_tile_* kernels share: the struct Params of common/attention_tiles.wgsl, and the modules of those that compute scores.
import type { Kernel } from "#gpu-runner/device/kernel.ts"

export const attentionTileParams = {
  query_count: "u32",
  key_count: "u32",
  head_count: "u32",
  group_size: "u32",
  head_packs: "u32",
  first_head: "u32",
  heads: "u32",
  first_key_tile: "u32",
  key_tiles: "u32",
  first_matrix: "u32",
  matrix_count: "u32",
  skipped_heads: "u32",
  accumulate: "u32",
  tile_rows: "u32",
  scale: "f32",
  soft_cap: "f32",
} as const satisfies Kernel["params"]

export const attentionTileModules = [
  "grid",
  "tile_subgroup8",
  "attention_tiles",
  "pack_vec4",
  "stable_tanh",
  "attention_score",
] as const
