// Descriptor of attention_statistics.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { onlyVariant } from "../variants.ts"

export const attentionStatisticsKernel = {
  name: "attention_statistics",
  bindings: ["read", "read", "read", "read_write"],
  params: { row_count: "u32", head_packs: "u32" },
  modules: ["grid"],
  variants: onlyVariant(),
} as const satisfies Kernel
