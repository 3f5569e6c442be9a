// Chooses among a kernel's variants by what the adapter can do and by the row length. Never by vendor.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import type { Kernel, KernelVariant } from "#gpu-runner/device/kernel.ts"
import { HEAD_SIZES, type Lane4, SUBGROUP_SIZES } from "#gpu-runner/kernels/variants.ts"

/** Rows whose length is a multiple of 4 are read in Lane4s. */
export function lane4Of(columns: number): Lane4 {
  return columns % 4 === 0 ? "vec4" : "scalar"
}

/** Lane4s in a row of `columns`. */
export function lane4sPerRow(columns: number): number {
  return lane4Of(columns) === "vec4" ? columns / 4 : columns
}

/** The adapter's subgroup size if it is fixed and known, else undefined: only then is a workgroup exactly one subgroup. */
function fixedSubgroupSize({ gpu }: OpContext): number | undefined {
  const { subgroupMinSize, subgroupMaxSize } = gpu.info
  if (!gpu.hasSubgroups || subgroupMinSize !== subgroupMaxSize) return undefined
  return SUBGROUP_SIZES.find((size) => size === subgroupMinSize)
}

/** Whether kernels built on broadcasts within subgroups of 8 lanes suit the adapter: the software adapters. */
export function hasCheapBroadcast(context: OpContext): boolean {
  return context.kernels === "tuned" && fixedSubgroupSize(context) === 8
}

/** Whether kernels that need cheap barriers suit: GPUs. */
export function isForGpu({ kernels, gpu }: OpContext): boolean {
  return kernels === "gpu" || (kernels === "tuned" && gpu.lane === "gpu")
}

/** Whether products may round their operands to f16. */
export function roundsProducts(context: OpContext): boolean {
  return isForGpu(context) && context.matrixUnits !== undefined && context.precision === "mixed"
}

function rowLanes(context: OpContext): string {
  const size = context.kernels === "portable" ? undefined : fixedSubgroupSize(context)
  return size === undefined ? "workgroup" : `subgroup${size}`
}

/** The variant of a kernel that reduces along rows of `columns`. */
export function rowVariant(context: OpContext, kernel: Kernel, columns: number): KernelVariant {
  return kernel.variants[`${rowLanes(context)}.${lane4Of(columns)}`]!
}

/** The variant of a kernel that reduces along rows of logits: on GPUs by workgroups, since a subgroup alone would wait for its loads. */
export function vocabularyVariant(context: OpContext, kernel: Kernel, columns: number): KernelVariant {
  return kernel.variants[`${isForGpu(context) ? "wide" : rowLanes(context)}.${lane4Of(columns)}`]!
}

/** The variant of a kernel that reduces without Lane4s. */
export function reductionVariant(context: OpContext, kernel: Kernel): KernelVariant {
  return kernel.variants[rowLanes(context)]!
}

/** The variant whose registers hold a head of `headSize`, a multiple of 4 up to 256; with or without the scores' soft cap. */
export function headVariant(op: string, kernel: Kernel, headSize: number, hasSoftCap: boolean): KernelVariant {
  const size = HEAD_SIZES.find((candidate) => headSize <= candidate)
  if (size === undefined || headSize % 4 !== 0 || headSize < 4) {
    throw new ShapeMismatch(op, `head size ${headSize} is not supported; it must be a multiple of 4 up to 256`)
  }
  return softCapVariant(kernel, `head${size}`, hasSoftCap)
}

/** Of a pair of variants that softCapVariants made, the one with or without the cap. */
export function softCapVariant(kernel: Kernel, name: string, hasSoftCap: boolean): KernelVariant {
  return kernel.variants[hasSoftCap ? `${name}.capped` : name]!
}
