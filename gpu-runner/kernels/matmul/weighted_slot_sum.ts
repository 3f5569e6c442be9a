// Descriptor of weighted_slot_sum.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { packVariants } from "../variants.ts"

export const weightedSlotSumKernel = {
  name: "weighted_slot_sum",
  bindings: ["read", "read", "read_write"],
  params: { slot_count: "u32", packs_per_slot: "u32" },
  modules: ["grid"],
  variants: packVariants(),
} as const satisfies Kernel
