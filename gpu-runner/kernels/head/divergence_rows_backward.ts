// Descriptor of divergence_rows_backward.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { packVariants } from "../variants.ts"

export const divergenceRowsBackwardKernel = {
  name: "divergence_rows_backward",
  bindings: ["read", "read", "read", "read", "read_write"],
  params: { row_count: "u32", packs_per_row: "u32", first_row: "u32", inverse_soft_cap: "f32" },
  modules: ["grid", "row_segments"],
  variants: packVariants(),
} as const satisfies Kernel
