// Descriptor of rope.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { packVariants } from "../variants.ts"

export const ropeKernel = {
  name: "rope",
  bindings: ["read", "read", "read", "read_write"],
  params: { token_count: "u32", head_count: "u32", half_packs: "u32", direction: "f32" },
  modules: ["grid"],
  variants: packVariants(),
} as const satisfies Kernel
