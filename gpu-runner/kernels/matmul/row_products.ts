// Descriptor of row_products.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { onlyVariant } from "../variants.ts"

export const rowProductsKernel = {
  name: "row_products",
  bindings: ["read", "read", "read", "read_write"],
  params: { segment_count: "u32", left_packs: "u32", right_packs: "u32", first_slot: "u32", scale: "f32" },
  modules: ["grid"],
  variants: onlyVariant(),
} as const satisfies Kernel
