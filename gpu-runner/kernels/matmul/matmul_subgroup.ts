// Descriptor of matmul_subgroup.wgsl.
import type { Kernel, KernelVariant } from "#gpu-runner/device/kernel.ts"

function layout(transposeA: 0 | 1, transposeB: 0 | 1, lowRank: 0 | 1): KernelVariant {
  const constants = { TRANSPOSE_A: transposeA, TRANSPOSE_B: transposeB, LOW_RANK: lowRank }
  return { needsSubgroups: true, constants }
}

export const matmulSubgroupKernel = {
  name: "matmul_subgroup",
  bindings: ["read", "read", "read", "read", "read_write"],
  params: {
    rows: "u32",
    columns: "u32",
    depth: "u32",
    low_depth: "u32",
    accumulate: "u32",
    scale: "f32",
    low_scale: "f32",
  },
  modules: ["grid", "tile_subgroup8"],
  variants: {
    plain: layout(0, 0, 0),
    transposeB: layout(0, 1, 0),
    transposeA: layout(1, 0, 0),
    transposeBoth: layout(1, 1, 0),
    plainLowRank: layout(0, 0, 1),
    transposeBLowRank: layout(0, 1, 1),
  },
} as const satisfies Kernel
