// Descriptor of attention_backward_key.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { headVariants } from "./variants.ts"

export const attentionBackwardKeyKernel = {
  name: "attention_backward_key",
  bindings: ["read", "read", "read", "read", "read", "read", "read_write", "read_write"],
  params: { token_count: "u32", head_count: "u32", group_size: "u32", head_packs: "u32", scale: "f32" },
  modules: ["grid"],
  variants: headVariants(),
} as const satisfies Kernel
