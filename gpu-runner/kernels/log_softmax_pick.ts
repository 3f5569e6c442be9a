// Descriptor of log_softmax_pick.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { rowVariants } from "./variants.ts"

export const logSoftmaxPickKernel = {
  name: "log_softmax_pick",
  bindings: ["read", "read", "read_write", "read_write", "read_write", "read_write"],
  params: { row_count: "u32", packs_per_row: "u32", first_row: "u32" },
  modules: ["grid"],
  variants: rowVariants(),
} as const satisfies Kernel
