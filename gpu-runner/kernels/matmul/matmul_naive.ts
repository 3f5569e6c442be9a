// Descriptor of matmul_naive.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { onlyVariant } from "../variants.ts"

export const matmulNaiveKernel = {
  name: "matmul_naive",
  bindings: ["read", "read", "read_write"],
  params: {
    rows: "u32",
    columns: "u32",
    depth: "u32",
    a_row_stride: "u32",
    a_depth_stride: "u32",
    b_depth_stride: "u32",
    b_column_stride: "u32",
    accumulate: "u32",
    scale: "f32",
  },
  modules: ["grid"],
  variants: onlyVariant(),
} as const satisfies Kernel
