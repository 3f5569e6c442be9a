// Descriptor of rope.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { onlyVariant } from "./variants.ts"

export const ropeKernel = {
  name: "rope",
  bindings: ["read", "read", "read", "read_write"],
  params: { token_count: "u32", head_count: "u32", half_size: "u32", direction: "f32" },
  modules: ["grid"],
  variants: onlyVariant(),
} as const satisfies Kernel
