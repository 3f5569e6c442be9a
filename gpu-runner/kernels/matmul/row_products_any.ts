// Descriptor of row_products_any.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { onlyVariant } from "../variants.ts"

export const rowProductsAnyKernel = {
  name: "row_products_any",
  bindings: ["read", "read", "read", "read_write"],
  params: { segment_count: "u32", left_columns: "u32", right_columns: "u32", first_slot: "u32", scale: "f32" },
  modules: ["grid"],
  variants: onlyVariant(),
} as const satisfies Kernel
