// Descriptor of dequantise_rows.wgsl: `bf16.vec4` … `nf4.scalar`.
import type { Kernel, KernelVariant } from "#gpu-runner/device/kernel.ts"
import type { PackedKind } from "#shared/formats/weights/quantisation.ts"
import { type Pack, packVariants } from "../variants.ts"

const KINDS: readonly PackedKind[] = ["bf16", "f16", "int8", "nf4"]

function variants(): Record<`${PackedKind}.${Pack}`, KernelVariant> {
  const all = KINDS.flatMap((kind) =>
    Object.entries(packVariants()).map(([pack, { modules = [] }]) => [
      `${kind}.${pack}`,
      { modules: [...(kind === "nf4" ? ["nf4_table"] : []), `weights_${kind}`, ...modules] },
    ]),
  )
  return Object.fromEntries(all)
}

export const dequantiseRowsKernel = {
  name: "dequantise_rows",
  bindings: ["read", "read", "read", "read_write"],
  params: { row_count: "u32", packs_per_row: "u32", first_row: "u32", input_row_count: "u32", is_listed: "u32" },
  modules: ["grid"],
  variants: variants(),
} as const satisfies Kernel
