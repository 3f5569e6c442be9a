// Descriptor of gather_rows.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { packVariants } from "../variants.ts"

export const gatherRowsKernel = {
  name: "gather_rows",
  bindings: ["read", "read", "read_write"],
  params: { row_count: "u32", packs_per_row: "u32", first_input_row: "u32", input_row_count: "u32" },
  modules: ["grid"],
  variants: packVariants(),
} as const satisfies Kernel
