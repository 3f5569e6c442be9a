// Descriptor of swiglu_backward.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { onlyVariant } from "./variants.ts"

export const swigluBackwardKernel = {
  name: "swiglu_backward",
  bindings: ["read", "read", "read", "read_write", "read_write"],
  params: { pack_count: "u32" },
  modules: ["grid"],
  variants: onlyVariant(),
} as const satisfies Kernel
