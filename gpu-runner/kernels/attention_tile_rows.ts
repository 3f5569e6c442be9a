// Descriptor of attention_tile_rows.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { attentionTileParams } from "./attention_tile_params.ts"

export const attentionTileRowsKernel = {
  name: "attention_tile_rows",
  bindings: ["read", "read", "read", "read", "read", "read_write"],
  params: attentionTileParams,
  modules: ["grid", "tile_subgroup8", "attention_tiles"],
  variants: {
    exponentiate: { needsSubgroups: true, constants: { EXPONENTIATE: 1 } },
    plain: { needsSubgroups: true, constants: { EXPONENTIATE: 0 } },
  },
} as const satisfies Kernel
