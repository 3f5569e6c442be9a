// Descriptor of matmul_subgroup.wgsl.
import type { Kernel, KernelVariant } from "#gpu-runner/device/kernel.ts"

function layout(transposeA: 0 | 1, transposeB: 0 | 1): KernelVariant {
  return { needsSubgroups: true, constants: { TRANSPOSE_A: transposeA, TRANSPOSE_B: transposeB } }
}

export const matmulSubgroupKernel = {
  name: "matmul_subgroup",
  bindings: ["read", "read", "read_write"],
  params: { rows: "u32", columns: "u32", depth: "u32", accumulate: "u32", scale: "f32" },
  modules: ["grid", "tile_subgroup8"],
  variants: { plain: layout(0, 0), transposeB: layout(0, 1), transposeA: layout(1, 0), transposeBoth: layout(1, 1) },
} as const satisfies Kernel
