// Descriptor of divergence_rows.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { rowVariants } from "./variants.ts"

export const divergenceRowsKernel = {
  name: "divergence_rows",
  bindings: ["read", "read", "read_write"],
  params: { row_count: "u32", packs_per_row: "u32", first_row: "u32" },
  modules: ["grid"],
  variants: rowVariants(),
} as const satisfies Kernel
