// Descriptor of attention_tile_log_sum_exp.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { attentionTileParams } from "./attention_tile_params.ts"

export const attentionTileLogSumExpKernel = {
  name: "attention_tile_log_sum_exp",
  bindings: ["read", "read", "read_write"],
  params: attentionTileParams,
  modules: ["grid", "tile_subgroup8", "attention_tiles"],
  variants: { only: { needsSubgroups: true } },
} as const satisfies Kernel
