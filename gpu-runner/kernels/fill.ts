// Descriptor of fill.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { ONLY } from "./variants.ts"

export const fillKernel = {
  name: "fill",
  bindings: ["read_write"],
  params: { pack_count: "u32", value: "f32" },
  modules: ["grid"],
  variants: ONLY,
} as const satisfies Kernel
