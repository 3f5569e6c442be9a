// Descriptor of gated_activation.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { activationVariants } from "../variants.ts"

export const gatedActivationKernel = {
  name: "gated_activation",
  bindings: ["read", "read", "read_write"],
  params: { pack_count: "u32" },
  modules: ["grid", "pack_vec4"],
  variants: activationVariants(),
} as const satisfies Kernel
