// Descriptor of attention_tile_gradients.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { softCapVariants } from "../variants.ts"
import { attentionTileModules, attentionTileParams } from "./attention_tile_params.ts"

export const attentionTileGradientsKernel = {
  name: "attention_tile_gradients",
  bindings: ["read", "read", "read", "read", "read", "read", "read", "read_write"],
  params: attentionTileParams,
  modules: attentionTileModules,
  variants: softCapVariants({ tile: { needsSubgroups: true } }),
} as const satisfies Kernel
