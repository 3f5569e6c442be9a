// Descriptor of column_partials.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { packVariants } from "../variants.ts"

export const columnPartialsKernel = {
  name: "column_partials",
  bindings: ["read", "read_write"],
  params: { row_count: "u32", packs_per_row: "u32", block_count: "u32" },
  modules: ["grid"],
  variants: packVariants(),
} as const satisfies Kernel
