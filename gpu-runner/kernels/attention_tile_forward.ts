// Descriptor of attention_tile_forward.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { attentionTileModules, attentionTileParams, attentionTileVariants } from "./attention_tile_params.ts"

export const attentionTileForwardKernel = {
  name: "attention_tile_forward",
  bindings: ["read", "read", "read", "read", "read", "read", "read_write", "read_write"],
  params: attentionTileParams,
  modules: attentionTileModules,
  variants: attentionTileVariants(),
} as const satisfies Kernel
