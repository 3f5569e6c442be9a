// Descriptor of matmul_workgroup.wgsl.
import type { Kernel, KernelVariant } from "#gpu-runner/device/kernel.ts"
import { matmulNaiveKernel } from "./matmul_naive.ts"

function layout(aAlongDepth: 0 | 1, bAlongDepth: 0 | 1): KernelVariant {
  return { constants: { A_ALONG_DEPTH: aAlongDepth, B_ALONG_DEPTH: bAlongDepth } }
}

export const matmulWorkgroupKernel = {
  name: "matmul_workgroup",
  bindings: ["read", "read", "read_write"],
  params: matmulNaiveKernel.params,
  modules: ["grid"],
  variants: {
    plain: layout(1, 0),
    transposeB: layout(1, 1),
    transposeA: layout(0, 0),
    transposeBoth: layout(0, 1),
  },
} as const satisfies Kernel
