// Descriptor of attention_tile_query_gradient.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { attentionTileParams } from "./attention_tile_params.ts"

export const attentionTileQueryGradientKernel = {
  name: "attention_tile_query_gradient",
  bindings: ["read", "read", "read", "read", "read_write"],
  params: attentionTileParams,
  modules: ["grid", "tile_subgroup8", "attention_tiles"],
  variants: { only: { needsSubgroups: true } },
} as const satisfies Kernel
