// Descriptor of dropout.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { onlyVariant } from "../variants.ts"

export const dropoutKernel = {
  name: "dropout",
  bindings: ["read", "read_write"],
  params: { pack_count: "u32", seed: "u32", threshold: "u32", scale: "f32" },
  modules: ["grid"],
  variants: onlyVariant(),
} as const satisfies Kernel
