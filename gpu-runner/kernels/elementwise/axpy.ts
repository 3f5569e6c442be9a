// Descriptor of axpy.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { onlyVariant } from "../variants.ts"

export const axpyKernel = {
  name: "axpy",
  bindings: ["read", "read_write"],
  params: { pack_count: "u32", alpha: "f32", beta: "f32" },
  modules: ["grid"],
  variants: onlyVariant(),
} as const satisfies Kernel
