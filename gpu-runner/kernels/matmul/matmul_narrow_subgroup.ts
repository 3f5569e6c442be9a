// The layouts that matmul_narrow_subgroup.wgsl is built for.
import { type KernelVariant, loadKernel } from "#gpu-runner/device/kernel.ts"

export interface NarrowLayout {
  readonly transposeA: boolean
  readonly transposeB: boolean
  readonly transposeOutput: boolean
  /** 16 columns instead of 8. */
  readonly isWide: boolean
}

const LAYOUTS: readonly NarrowLayout[] = [false, true].flatMap((transposeA) =>
  [false, true].flatMap((transposeB) =>
    [false, true].flatMap((transposeOutput) =>
      [false, true].map((isWide) => ({ transposeA, transposeB, transposeOutput, isWide })),
    ),
  ),
)

/** The name of a layout's variant. */
export function narrowVariantName({ transposeA, transposeB, transposeOutput, isWide }: NarrowLayout): string {
  const columns = isWide ? "16" : "8"
  return `${transposeA ? "transposedA" : "a"}.${transposeB ? "transposedB" : "b"}.${transposeOutput ? "transposed" : "plain"}${columns}`
}

function variantOf({ transposeA, transposeB, transposeOutput, isWide }: NarrowLayout): KernelVariant {
  const constants = {
    TRANSPOSE_A: Number(transposeA),
    TRANSPOSE_B: Number(transposeB),
    TRANSPOSE_OUTPUT: Number(transposeOutput),
    WIDE: Number(isWide),
  }
  return { needsSubgroups: true, constants }
}

export const matmulNarrowSubgroupKernel = loadKernel(
  "matmul_narrow_subgroup",
  Object.fromEntries(LAYOUTS.map((layout) => [narrowVariantName(layout), variantOf(layout)])),
)
