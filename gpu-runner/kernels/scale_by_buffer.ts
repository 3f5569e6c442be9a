// Descriptor of scale_by_buffer.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { ONLY } from "./variants.ts"

export const scaleByBufferKernel = {
  name: "scale_by_buffer",
  bindings: ["read", "read_write"],
  params: { pack_count: "u32" },
  modules: ["grid"],
  variants: ONLY,
} as const satisfies Kernel
