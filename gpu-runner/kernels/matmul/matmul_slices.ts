// Descriptor of matmul_slices.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { onlyVariant } from "../variants.ts"

export const matmulSlicesKernel = {
  name: "matmul_slices",
  bindings: ["read", "read_write"],
  params: { size: "u32", slices: "u32", accumulate: "u32", scale: "f32" },
  modules: ["grid"],
  variants: onlyVariant(),
} as const satisfies Kernel
