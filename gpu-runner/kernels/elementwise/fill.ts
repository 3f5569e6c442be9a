// Descriptor of fill.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { onlyVariant } from "../variants.ts"

export const fillKernel = {
  name: "fill",
  bindings: ["read_write"],
  params: { pack_count: "u32", value: "f32" },
  modules: ["grid"],
  variants: onlyVariant(),
} as const satisfies Kernel
