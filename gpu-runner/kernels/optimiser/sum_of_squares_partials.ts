// Descriptor of sum_of_squares_partials.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { laneVariants } from "../variants.ts"

export const sumOfSquaresPartialsKernel = {
  name: "sum_of_squares_partials",
  bindings: ["read", "read_write"],
  params: { element_count: "u32", block_count: "u32", offset: "u32" },
  modules: ["grid"],
  variants: laneVariants(),
} as const satisfies Kernel
