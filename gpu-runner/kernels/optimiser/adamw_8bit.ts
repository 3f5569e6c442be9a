// Descriptor of adamw_8bit.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { laneVariants } from "../variants.ts"

export const adamw8bitKernel = {
  name: "adamw_8bit",
  bindings: ["read", "read", "read", "read_write", "read_write", "read_write", "read_write", "read_write"],
  params: {
    element_count: "u32",
    block_count: "u32",
    decay: "f32",
    step_size: "f32",
    one_minus_beta1: "f32",
    beta2: "f32",
    one_minus_beta2: "f32",
    inverse_sqrt_correction2: "f32",
    epsilon: "f32",
  },
  modules: ["grid"],
  variants: laneVariants(),
} as const satisfies Kernel
