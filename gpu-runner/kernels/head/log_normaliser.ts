// Descriptor of log_normaliser.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { vocabularyVariants } from "../variants.ts"

export const logNormaliserKernel = {
  name: "log_normaliser",
  bindings: ["read", "read_write"],
  params: { row_count: "u32", packs_per_row: "u32", is_first: "u32" },
  modules: ["grid"],
  variants: vocabularyVariants(),
} as const satisfies Kernel
