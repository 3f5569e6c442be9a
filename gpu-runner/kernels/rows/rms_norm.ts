// Descriptor of rms_norm.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { rowVariants } from "../variants.ts"

export const rmsNormKernel = {
  name: "rms_norm",
  bindings: ["read", "read", "read_write", "read_write"],
  params: { row_count: "u32", packs_per_row: "u32", epsilon: "f32", weight_offset: "f32" },
  modules: ["grid"],
  variants: rowVariants(),
} as const satisfies Kernel
