// The kinds and layouts that matmul_coded_subgroup.wgsl is built for: `bf16.plain` … `nf4.transposeB.lowRank`.
import { type KernelVariant, loadKernel } from "#gpu-runner/device/kernel.ts"
import type { CodedKind } from "#shared/formats/weights/quantisation.ts"

export interface CodedLayout {
  readonly kind: CodedKind
  readonly transposeB: boolean
  readonly hasLowRank: boolean
}

/** The name of a layout's variant. */
export function codedVariantName({ kind, transposeB, hasLowRank }: CodedLayout): string {
  return `${kind}.${transposeB ? "transposeB" : "plain"}${hasLowRank ? ".lowRank" : ""}`
}

/** Modules that decode a kind within subgroups of 8 lanes. */
export const CODE_MODULES: Readonly<Record<CodedKind, readonly string[]>> = {
  bf16: ["weights_bf16", "weights_unprepared"],
  f16: ["weights_f16", "weights_unprepared"],
  int8: ["weights_int8", "weights_unprepared"],
  nf4: ["weights_nf4_subgroup8"],
}

/** Words of 8 neighbouring weights, which is a lane's share of a row; along the depth a lane takes 4 of each column. */
const WORDS_OF_EIGHT: Readonly<Record<CodedKind, number>> = { bf16: 4, f16: 4, int8: 2, nf4: 1 }

function variantOf({ kind, transposeB, hasLowRank }: CodedLayout): KernelVariant {
  const words = transposeB ? Math.ceil(WORDS_OF_EIGHT[kind] / 2) : WORDS_OF_EIGHT[kind]
  return {
    modules: [...CODE_MODULES[kind], `words_${words}`],
    constants: { TRANSPOSE_B: Number(transposeB), LOW_RANK: Number(hasLowRank) },
    needsSubgroups: true,
  }
}

const LAYOUTS = (Object.keys(CODE_MODULES) as CodedKind[]).flatMap((kind) =>
  [false, true].flatMap((transposeB) => [false, true].map((hasLowRank) => ({ kind, transposeB, hasLowRank }))),
)

export const matmulCodedSubgroupKernel = loadKernel(
  "matmul_coded_subgroup",
  Object.fromEntries(LAYOUTS.map((layout) => [codedVariantName(layout), variantOf(layout)])),
)
