// Descriptor of add.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { onlyVariant } from "../variants.ts"

export const addKernel = {
  name: "add",
  bindings: ["read", "read", "read_write"],
  params: { pack_count: "u32" },
  modules: ["grid"],
  variants: onlyVariant(),
} as const satisfies Kernel
