// Descriptor of divergence_rows.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { vocabularyVariants } from "../variants.ts"

export const divergenceRowsKernel = {
  name: "divergence_rows",
  bindings: ["read", "read", "read", "read", "read_write"],
  params: { row_count: "u32", packs_per_row: "u32", first_row: "u32", accumulate: "u32" },
  modules: ["grid"],
  variants: vocabularyVariants(),
} as const satisfies Kernel
