// Descriptor of adamw.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { onlyVariant } from "../variants.ts"

export const adamwKernel = {
  name: "adamw",
  bindings: ["read", "read", "read_write", "read_write", "read_write"],
  params: {
    pack_count: "u32",
    decay: "f32",
    step_size: "f32",
    one_minus_beta1: "f32",
    beta2: "f32",
    one_minus_beta2: "f32",
    inverse_sqrt_correction2: "f32",
    epsilon: "f32",
  },
  modules: ["grid"],
  variants: onlyVariant(),
} as const satisfies Kernel
