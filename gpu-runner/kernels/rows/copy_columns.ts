// Descriptor of copy_columns.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { packVariants } from "../variants.ts"

export const copyColumnsKernel = {
  name: "copy_columns",
  bindings: ["read", "read_write"],
  params: {
    row_count: "u32",
    packs_per_row: "u32",
    from_stride: "u32",
    from_start: "u32",
    to_stride: "u32",
    to_start: "u32",
  },
  modules: ["grid"],
  variants: packVariants(),
} as const satisfies Kernel
