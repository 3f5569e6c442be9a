// Descriptor of clip_coefficient.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { onlyVariant } from "../variants.ts"

export const clipCoefficientKernel = {
  name: "clip_coefficient",
  bindings: ["read", "read_write"],
  params: { max_norm: "f32", inverse_scale: "f32" },
  modules: [],
  variants: onlyVariant(),
} as const satisfies Kernel
