// Descriptor of attention_tile_forward.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { softCapVariants } from "../variants.ts"
import { attentionTileModules, attentionTileParams } from "./attention_tile_params.ts"

export const attentionTileForwardKernel = {
  name: "attention_tile_forward",
  bindings: ["read", "read", "read", "read", "read", "read", "read_write", "read_write"],
  params: attentionTileParams,
  modules: attentionTileModules,
  variants: softCapVariants({
    narrow: { needsSubgroups: true, constants: { BLOCKS: 1, IS_LARGE: 0 } },
    wide: { needsSubgroups: true, constants: { BLOCKS: 2, IS_LARGE: 0 } },
    large: { needsSubgroups: true, constants: { BLOCKS: 4, IS_LARGE: 1 } },
  }),
} as const satisfies Kernel
