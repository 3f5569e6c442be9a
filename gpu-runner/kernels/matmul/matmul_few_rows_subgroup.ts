// The kinds of weights and numbers of rows that matmul_few_rows_subgroup.wgsl is built for: `f32.1` … `nf4.8`.
import { type KernelVariant, loadKernel } from "#gpu-runner/device/kernel.ts"
import { type CodedKind, WEIGHT_KINDS, type WeightKind } from "#shared/formats/weights/quantisation.ts"
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

/** Words of four neighbouring weights, but one where it holds more. */
const WORDS_OF_FOUR: Readonly<Record<CodedKind, number>> = { bf16: 2, f16: 2, int8: 1, nf4: 1 }
/** Up to so many rows the sums leave registers for eight weights of each column. */
const MOST_ROWS_OF_EIGHT = 4

/** Modules that load weights along the depth, and give four of them. */
function modulesOf(kind: WeightKind, rows: number): readonly string[] {
  if (kind === "f32") return ["four_weights_f32"]
  const words = kind === "nf4" || rows > MOST_ROWS_OF_EIGHT ? WORDS_OF_FOUR[kind] : 2 * WORDS_OF_FOUR[kind]
  return [...CODE_MODULES[kind], `words_${words}`, "four_weights_coded"]
}

const VARIANTS = WEIGHT_KINDS.flatMap((kind) =>
  rowsOf(kind).map((rows): [string, KernelVariant] => {
    return [`${kind}.${rows}`, { modules: modulesOf(kind, rows), sizes: { ROWS: rows }, needsSubgroups: true }]
  }),
)

export const matmulFewRowsKernel = loadKernel("matmul_few_rows_subgroup", Object.fromEntries(VARIANTS))
