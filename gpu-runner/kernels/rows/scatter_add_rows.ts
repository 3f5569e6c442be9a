// Descriptor of scatter_add_rows.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { packVariants } from "../variants.ts"

export const scatterAddRowsKernel = {
  name: "scatter_add_rows",
  bindings: ["read", "read", "read", "read", "read_write"],
  params: { group_count: "u32", packs_per_row: "u32", first_output_row: "u32", output_row_count: "u32" },
  modules: ["grid"],
  variants: packVariants(),
} as const satisfies Kernel
