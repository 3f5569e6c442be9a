// The variants that several kernels share: row lengths in Lane4s or one by one, rows reduced by a subgroup or a workgroup.
import type { KernelVariant } from "#gpu-runner/device/kernel.ts"

/** How a row's elements are read: `vec4` when its length is a multiple of 4. */
export type Lane4 = "vec4" | "scalar"

/** Subgroup sizes that adapters are known to have; any other falls back to reductions through workgroup memory. */
export const SUBGROUP_SIZES = [4, 8, 16, 32, 64] as const
/** Lanes of a row's workgroup where subgroups cannot be used. */
const ROW_WORKGROUP_LANES = 64
/** Lanes of a row's workgroup where the row is a vocabulary and the adapter a GPU: WebGPU's smallest limit. */
const WIDE_ROW_LANES = 256

/** `vec4` and `scalar`. */
export function lane4Variants(): Record<Lane4, KernelVariant> {
  return { vec4: { modules: ["lane4_vec4"] }, scalar: { modules: ["lane4_scalar"] } }
}

/** `subgroup4` … `subgroup64` and `workgroup`, each composed with `modules`. A fresh object each time: pipelines are cached by variant. */
export function reductionVariants(modules: readonly string[] = [], suffix = ""): Record<string, KernelVariant> {
  const variants: Record<string, KernelVariant> = {
    [`workgroup${suffix}`]: {
      modules: ["rows_workgroup", ...modules],
      constants: { ROW_LANES: ROW_WORKGROUP_LANES },
    },
  }
  for (const size of SUBGROUP_SIZES) {
    variants[`subgroup${size}${suffix}`] = {
      modules: ["rows_subgroup", ...modules],
      constants: { ROW_LANES: size },
      needsSubgroups: true,
    }
  }
  return variants
}

/** Row reductions four at a time and one by one: `subgroup8.vec4`, `workgroup.scalar`, …. */
export function rowVariants(): Record<string, KernelVariant> {
  return { ...reductionVariants(["lane4_vec4"], ".vec4"), ...reductionVariants(["lane4_scalar"], ".scalar") }
}

/** As rowVariants, and `wide.vec4`, `wide.scalar`: rows of 32 thousand to 256 thousand logits. */
export function vocabularyVariants(): Record<string, KernelVariant> {
  const wide = (lane4: Lane4): KernelVariant => ({
    modules: ["rows_workgroup", `lane4_${lane4}`],
    constants: { ROW_LANES: WIDE_ROW_LANES },
  })
  return { ...rowVariants(), "wide.vec4": wide("vec4"), "wide.scalar": wide("scalar") }
}

/** Register tiles for head sizes up to each of these. */
export const HEAD_SIZES = [16, 32, 64, 128, 256] as const

/** `head16` … `head256`. */
export function headVariants(): Record<string, KernelVariant> {
  return Object.fromEntries(HEAD_SIZES.map((size) => [`head${size}`, { sizes: { HEAD_LANE4S: size / 4 } }]))
}

/** Each of `variants` as it is, and as `….capped` with the soft cap of attention scores (common/attention_score.wgsl). */
export function softCapVariants(variants: Readonly<Record<string, KernelVariant>>): Record<string, KernelVariant> {
  const capped = Object.entries(variants).map(([name, variant]) => {
    return [`${name}.capped`, { ...variant, constants: { ...variant.constants, SOFT_CAP: 1 } }] as const
  })
  return { ...variants, ...Object.fromEntries(capped) }
}

/** Activations of a gated unit. */
export type Activation = "silu" | "gelu_tanh"

/** `silu` and `gelu_tanh`. */
export function activationVariants(): Record<Activation, KernelVariant> {
  return { silu: { modules: ["silu"] }, gelu_tanh: { modules: ["gelu_tanh"] } }
}
