// AdamW with moments in 8 bits, 2.03 instead of 8 bytes of state a parameter (Dettmers et al., "8-bit Optimizers via Block-wise
// Quantization", arXiv 2110.02861): each block of 256 elements has one scale, its largest magnitude, and codes of a dynamic value map.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { loadKernel } from "#gpu-runner/device/kernel.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { upload } from "#gpu-runner/device/transfer.ts"
import { reductionVariants } from "#gpu-runner/kernels/variants.ts"
import { reductionVariant } from "#gpu-runner/ops/choose-variant.ts"
import { expectShape } from "#gpu-runner/ops/expect-shape.ts"
import { type AdamwOptions, adamwParams, unclipped } from "./adamw.ts"

const adamw8bitKernel = loadKernel("adamw_8bit", reductionVariants())

/** Elements that share a scale; the same number stands in adamw_8bit.wgsl. */
export const MOMENT_BLOCK_SIZE = 256
const CODE_COUNT = 256

/**
 * The moments of a parameter with N elements; all zeros before the first step, and everything a checkpoint has to keep. A moment is
 * map[code] · scale, the first one's map signed, the second one's unsigned.
 */
export interface Moments8bit {
  /** u32 [ceil(N / 4)]: codes of four elements each, the first in the lowest byte. */
  readonly firstCodes: Tensor
  /** f32 [ceil(N / 256)] */
  readonly firstScales: Tensor
  /** u32 [ceil(N / 4)] */
  readonly secondCodes: Tensor
  /** f32 [ceil(N / 256)] */
  readonly secondScales: Tensor
}

/** One trained tensor and its state. */
export interface TrainedParameter8bit {
  /** f32, any shape. */
  readonly parameter: Tensor
  /** f32, the parameter's shape. */
  readonly gradient: Tensor
  readonly moments: Moments8bit
}

/** Shapes and dtypes of the moments of a parameter with `elements` elements: what to allocate, and what a checkpoint holds. */
function moments8bitShapes(elements: number) {
  const codes = { shape: [Math.ceil(elements / 4)], dtype: "u32" } as const
  const scales = { shape: [Math.ceil(elements / MOMENT_BLOCK_SIZE)], dtype: "f32" } as const
  return { firstCodes: codes, firstScales: scales, secondCodes: codes, secondScales: scales } as const
}

/** Permanent moments of a parameter, all zeros: ready for step 1. */
export function createMoments8bit(context: OpContext, parameter: Tensor): Moments8bit {
  const shapes = moments8bitShapes(parameter.byteLength / 4)
  const zeros = (name: keyof Moments8bit) => {
    const { shape, dtype } = shapes[name]
    const tensor = context.memory.allocatePermanent(shape, dtype, `${parameter.label}.${name}`)
    context.recorder.clear(tensor)
    return tensor
  }
  return {
    firstCodes: zeros("firstCodes"),
    firstScales: zeros("firstScales"),
    secondCodes: zeros("secondCodes"),
    secondScales: zeros("secondScales"),
  }
}

/**
 * The dynamic map's 256 values, ascending, in [-1, 1] or [0, 1] (§1.3 of the paper): decades from 1 down to 1e-6, each with half as
 * many linear steps as the one above it, their midpoints being the values; and 0 and 1 themselves.
 */
export function dynamicMap(isSigned: boolean): Float32Array {
  const decades = 7
  const values = [0, 1]
  for (let decade = 0; decade < decades; decade++) {
    const steps = 2 ** (decades - 1 - decade) * (isSigned ? 1 : 2)
    for (let step = 0; step < steps; step++) {
      const value = 10 ** -decade * (0.1 + (0.9 * (step + 0.5)) / steps)
      values.push(...(isSigned ? [value, -value] : [value]))
    }
  }
  return Float32Array.from(values).sort()
}

/** Both maps and the midpoints between their values, permanent: f32 [4, 256], to be made once for a context. */
export function createDynamicMaps(context: OpContext): Tensor {
  const [signed, unsigned] = [dynamicMap(true), dynamicMap(false)]
  const table = new Float32Array(4 * CODE_COUNT)
  table.set(signed)
  table.set(unsigned, CODE_COUNT)
  table.set(midpoints(signed), 2 * CODE_COUNT)
  table.set(midpoints(unsigned), 3 * CODE_COUNT)
  const maps = context.memory.allocatePermanent([4, CODE_COUNT], "f32", "adamw_8bit.maps")
  upload(context, maps, table)
  return maps
}

function midpoints(values: Float32Array): Float32Array {
  return values.slice(1).map((value, i) => (value + values[i]!) / 2)
}

/**
 * Updates parameters and moments in place, as `adamw` does with f32 moments: the step uses the moments before they are rounded.
 * `maps` is createDynamicMaps'. Gradients are scaled by `clip`'s coefficient ([norm, coefficient]) if given. Errors: ShapeMismatch.
 */
export function adamw8bit(
  context: OpContext,
  maps: Tensor,
  parameters: readonly TrainedParameter8bit[],
  options: AdamwOptions,
  clip?: Tensor,
): void {
  const params = adamwParams(options)
  expectShape("adamw8bit", "maps", maps, [4, CODE_COUNT])
  context.memory.withScope(() => {
    const coefficient = clip ?? unclipped(context)
    expectShape("adamw8bit", "clip", coefficient, [2])
    for (const { parameter, gradient, moments } of parameters) {
      expectShape("adamw8bit", "gradient", gradient, parameter.shape)
      const elements = parameter.byteLength / 4
      expectMoments(moments, elements)
      const { firstCodes, firstScales, secondCodes, secondScales } = moments
      const blockCount = Math.ceil(elements / MOMENT_BLOCK_SIZE)
      context.recorder.dispatch({
        kernel: adamw8bitKernel,
        variant: reductionVariant(context, adamw8bitKernel),
        tensors: [gradient, coefficient, maps, parameter, firstCodes, firstScales, secondCodes, secondScales],
        params: { element_count: elements, block_count: blockCount, ...params },
        workgroupCount: blockCount,
      })
    }
    return undefined
  })
}

function expectMoments(moments: Moments8bit, elements: number) {
  const shapes = moments8bitShapes(elements)
  for (const name of ["firstCodes", "firstScales", "secondCodes", "secondScales"] as const) {
    expectShape("adamw8bit", name, moments[name], shapes[name].shape, shapes[name].dtype)
  }
}
