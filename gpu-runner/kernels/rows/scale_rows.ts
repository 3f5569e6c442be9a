// Descriptor of scale_rows.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { packVariants } from "../variants.ts"

export const scaleRowsKernel = {
  name: "scale_rows",
  bindings: ["read", "read", "read_write"],
  params: { row_count: "u32", packs_per_row: "u32" },
  modules: ["grid"],
  variants: packVariants(),
} as const satisfies Kernel
