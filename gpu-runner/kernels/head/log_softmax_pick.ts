// Descriptor of log_softmax_pick.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { vocabularyVariants } from "../variants.ts"

export const logSoftmaxPickKernel = {
  name: "log_softmax_pick",
  bindings: ["read", "read", "read_write", "read_write", "read_write", "read_write", "read_write"],
  params: {
    row_count: "u32",
    packs_per_row: "u32",
    first_row: "u32",
    first_column: "u32",
    is_first: "u32",
    is_last: "u32",
  },
  modules: ["grid"],
  variants: vocabularyVariants(["row_sums"]),
} as const satisfies Kernel

/** f32 in RowState. */
export const ROW_STATE_LENGTH = 5
