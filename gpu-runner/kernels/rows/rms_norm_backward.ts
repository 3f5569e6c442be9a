// Descriptor of rms_norm_backward.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { rowVariants } from "../variants.ts"

export const rmsNormBackwardKernel = {
  name: "rms_norm_backward",
  bindings: ["read", "read", "read", "read", "read_write"],
  params: { row_count: "u32", packs_per_row: "u32", accumulate: "u32", weight_offset: "f32" },
  modules: ["grid"],
  variants: rowVariants(),
} as const satisfies Kernel
