// How the operands of a product lie in memory, and what the matmul kernels for GPUs are composed with for it.
import type { KernelVariant } from "#gpu-runner/device/kernel.ts"
import type { CodedKind } from "#shared/formats/weights/quantisation.ts"
import type { Lane4 } from "../variants.ts"

/** `vec4` and `scalar`: f32, stored rows that are multiples of four long, or of any length. A coded kind needs multiples of four. */
export type RightKind = Lane4 | CodedKind

export interface MatmulForm {
  /** A is stored [M, K] rather than [K, M]. */
  readonly aAlongDepth: boolean
  /** B is stored [N, K] rather than [K, N]. */
  readonly bAlongDepth: boolean
  readonly hasLowRank: boolean
  readonly right: RightKind
}

const RIGHT_MODULES: Readonly<Record<RightKind, readonly string[]>> = {
  vec4: ["right_f32_vec4"],
  scalar: ["right_f32_scalar"],
  bf16: ["right_halves", "weights_bf16"],
  f16: ["right_halves", "weights_f16"],
  int8: ["right_codes", "weights_int8"],
  nf4: ["right_codes", "weights_nf4"],
}

/** The modules and sizes of a form. */
export function formVariant({ aAlongDepth, bAlongDepth, hasLowRank, right }: MatmulForm): KernelVariant {
  return {
    modules: RIGHT_MODULES[right],
    sizes: { A_ALONG_DEPTH: Number(aAlongDepth), B_ALONG_DEPTH: Number(bAlongDepth), LOW_RANK: Number(hasLowRank) },
  }
}

/** `along.across.bf16`, `across.along.vec4.lowRank`, …: A, B and what else there is. */
export function formName({ aAlongDepth, bAlongDepth, hasLowRank, right }: MatmulForm): string {
  const direction = (isAlong: boolean) => (isAlong ? "along" : "across")
  return `${direction(aAlongDepth)}.${direction(bAlongDepth)}.${right}${hasLowRank ? ".lowRank" : ""}`
}

/** Every layout with f32 operands, and every kind of weight as linear layers use it, forward and backward. */
export const EXAMPLE_FORMS: readonly MatmulForm[] = [
  ...[true, false].flatMap((aAlongDepth) =>
    [true, false].flatMap((bAlongDepth) =>
      (["vec4", "scalar"] as const).map((right) => ({ aAlongDepth, bAlongDepth, hasLowRank: false, right })),
    ),
  ),
  ...(["bf16", "f16", "int8", "nf4"] as const).flatMap((right) =>
    [true, false].map((bAlongDepth) => ({ aAlongDepth: true, bAlongDepth, hasLowRank: true, right })),
  ),
]

/** Variants that are made on demand and kept by name, examples from the start: pipelines are cached by the object. */
export function variantsOnDemand<Choice>(
  name: (choice: Choice) => string,
  make: (choice: Choice) => KernelVariant,
  examples: readonly Choice[],
) {
  const variants: Record<string, KernelVariant> = {}
  const variantOf = (choice: Choice): KernelVariant => {
    const key = name(choice)
    variants[key] ??= make(choice)
    return variants[key]
  }
  examples.forEach(variantOf)
  return { variants, variantOf }
}
