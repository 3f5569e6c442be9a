// Descriptor of gated_activation_backward.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { activationVariants } from "../variants.ts"

export const gatedActivationBackwardKernel = {
  name: "gated_activation_backward",
  bindings: ["read", "read", "read", "read_write", "read_write"],
  params: { pack_count: "u32" },
  modules: ["grid", "pack_vec4"],
  variants: activationVariants(),
} as const satisfies Kernel
