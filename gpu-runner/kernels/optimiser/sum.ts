// Descriptor of sum.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { laneVariants } from "../variants.ts"

export const sumKernel = {
  name: "sum",
  bindings: ["read", "read_write"],
  params: { element_count: "u32" },
  modules: [],
  variants: laneVariants(),
} as const satisfies Kernel
