// Descriptor of matmul_packed_subgroup.wgsl: `bf16.plain` … `nf4.transposeB.lowRank`.
import type { Kernel, KernelVariant } from "#gpu-runner/device/kernel.ts"
import type { PackedKind } from "#shared/formats/weights/quantisation.ts"

export interface PackedLayout {
  readonly kind: PackedKind
  readonly transposeB: boolean
  readonly hasLowRank: boolean
}

/** The name of a layout's variant. */
export function packedVariantName({ kind, transposeB, hasLowRank }: PackedLayout): string {
  return `${kind}.${transposeB ? "transposeB" : "plain"}${hasLowRank ? ".lowRank" : ""}`
}

const UNPACKING: Readonly<Record<PackedKind, readonly string[]>> = {
  bf16: ["weights_bf16", "weights_unprepared"],
  f16: ["weights_f16", "weights_unprepared"],
  int8: ["weights_int8", "weights_unprepared"],
  nf4: ["nf4_table", "weights_nf4_subgroup8"],
}

/** Words of 8 neighbouring weights, which is a lane's share of a row; along the depth a lane takes 4 of each column. */
const WORDS_OF_EIGHT: Readonly<Record<PackedKind, number>> = { bf16: 4, f16: 4, int8: 2, nf4: 1 }

function variantOf({ kind, transposeB, hasLowRank }: PackedLayout): KernelVariant {
  const words = transposeB ? Math.ceil(WORDS_OF_EIGHT[kind] / 2) : WORDS_OF_EIGHT[kind]
  return {
    modules: [...UNPACKING[kind], `words_${words}`],
    constants: { TRANSPOSE_B: Number(transposeB), LOW_RANK: Number(hasLowRank) },
    needsSubgroups: true,
  }
}

function variants(): Record<string, KernelVariant> {
  const layouts = (Object.keys(UNPACKING) as PackedKind[]).flatMap((kind) =>
    [false, true].flatMap((transposeB) => [false, true].map((hasLowRank) => ({ kind, transposeB, hasLowRank }))),
  )
  return Object.fromEntries(layouts.map((layout) => [packedVariantName(layout), variantOf(layout)]))
}

export const matmulPackedSubgroupKernel = {
  name: "matmul_packed_subgroup",
  bindings: ["read", "read", "read", "read", "read", "read_write"],
  params: {
    rows: "u32",
    columns: "u32",
    depth: "u32",
    low_depth: "u32",
    accumulate: "u32",
    scale: "f32",
    low_scale: "f32",
  },
  modules: ["grid", "tile_wide_subgroup8", "packed_columns_subgroup8"],
  variants: variants(),
} as const satisfies Kernel
