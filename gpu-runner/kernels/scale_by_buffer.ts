// Descriptor of scale_by_buffer.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { onlyVariant } from "./variants.ts"

export const scaleByBufferKernel = {
  name: "scale_by_buffer",
  bindings: ["read", "read_write"],
  params: { pack_count: "u32" },
  modules: ["grid"],
  variants: onlyVariant(),
} as const satisfies Kernel
