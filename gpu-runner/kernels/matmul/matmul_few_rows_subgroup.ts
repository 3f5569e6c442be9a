// The kinds of weights and numbers of rows that matmul_few_rows_subgroup.wgsl is built for: `f32.1` … `nf4.8`.
import { type KernelVariant, loadKernel } from "#gpu-runner/device/kernel.ts"
import type { WeightKind } from "#shared/formats/weights/quantisation.ts"
import { CODE_MODULES } from "./matmul_coded_subgroup.ts"

/** Rows that one subgroup computes. Of more, tiles are faster: of 32 rows in f32, of 16 where weights are coded. */
const ROWS_OF_F32 = [1, 4, 8, 16] as const
const ROWS_OF_CODED = [1, 4, 8] as const
const rowsOf = (kind: WeightKind): readonly number[] => (kind === "f32" ? ROWS_OF_F32 : ROWS_OF_CODED)

/** The variant for a product of so many rows; undefined where there are too many. */
export function fewRowsVariant(kind: WeightKind, rows: number): KernelVariant | undefined {
  const most = rowsOf(kind).find((ofTile) => rows <= ofTile)
  return most === undefined ? undefined : matmulFewRowsKernel.variants[`${kind}.${most}`]
}

/** Modules that give four weights along the depth: of one word, of two, or of an f32 Lane4. */
const MODULES: Readonly<Record<WeightKind, readonly string[]>> = {
  f32: ["four_weights_f32"],
  bf16: [...CODE_MODULES.bf16, "words_2", "four_weights_coded"],
  f16: [...CODE_MODULES.f16, "words_2", "four_weights_coded"],
  int8: [...CODE_MODULES.int8, "words_1", "four_weights_coded"],
  nf4: [...CODE_MODULES.nf4, "words_1", "four_weights_coded"],
}

const VARIANTS = (Object.keys(MODULES) as WeightKind[]).flatMap((kind) =>
  rowsOf(kind).map((rows): [string, KernelVariant] => {
    return [`${kind}.${rows}`, { modules: MODULES[kind], sizes: { ROWS: rows }, needsSubgroups: true }]
  }),
)

export const matmulFewRowsKernel = loadKernel("matmul_few_rows_subgroup", Object.fromEntries(VARIANTS))
