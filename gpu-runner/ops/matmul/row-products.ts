// One product for each of the laid-out rows: slots[s] = leftᵀ right over the tokens of segment s alone, and their weighted sum. With them a low-rank
// matrix's gradient is kept for each row until the rows' factors are known.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import { loadKernel } from "#gpu-runner/device/kernel.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { uploaded } from "#gpu-runner/device/transfer.ts"
import { lane4Variants } from "#gpu-runner/kernels/variants.ts"
import { lane4Of, lane4sPerRow } from "../choose-variant.ts"
import { expectDistinct, expectShape, matrixShape } from "../expect-shape.ts"

const rowProductsKernel = loadKernel("row_products")
const rowProductsAnyKernel = loadKernel("row_products_any")
const weightedSlotSumKernel = loadKernel("weighted_slot_sum", lane4Variants())

/** Consecutive runs of tokens: segment s holds [starts[s], starts[s + 1]). */
export interface Segments {
  /** u32 [segments + 1], rising */
  readonly starts: Tensor
  readonly count: number
  /** One past the last token. */
  readonly tokenCount: number
}

/** Uploads segments of these lengths, one after another, into the open scope. */
export function uploadSegments(context: OpContext, lengths: readonly number[], label: string): Segments {
  const starts = new Uint32Array(lengths.length + 1)
  lengths.forEach((length, segment) => {
    starts[segment + 1] = starts[segment]! + length
  })
  return {
    starts: uploaded(context, starts, [starts.length], label),
    count: lengths.length,
    tokenCount: starts.at(-1)!,
  }
}

export interface RowProductsOptions {
  /** The slot of the first segment; the others follow. */
  readonly firstSlot: number
  /** 1 by default. */
  readonly scale?: number | undefined
}

/** slots [S, M, N]: those from `firstSlot` on become scale · leftᵀ right over each segment's tokens; left [T, M], right [T, N]. */
export function rowProducts(
  context: OpContext,
  left: Tensor,
  right: Tensor,
  { starts, count, tokenCount }: Segments,
  slots: Tensor,
  { firstSlot, scale = 1 }: RowProductsOptions,
): void {
  const [tokens, leftColumns] = matrixShape("rowProducts", "left", left)
  const [, rightColumns] = matrixShape("rowProducts", "right", right)
  expectShape("rowProducts", "left", left, [tokenCount, leftColumns])
  expectShape("rowProducts", "right", right, [tokens, rightColumns])
  expectShape("rowProducts", "slots", slots, [slots.shape[0] ?? 0, leftColumns, rightColumns])
  expectDistinct("rowProducts", slots, [left, right])
  if (firstSlot + count > slots.shape[0]!) {
    throw new ShapeMismatch("rowProducts", `${count} segments from slot ${firstSlot} do not fit into [${slots.shape}]`)
  }
  const isInFours = leftColumns % 4 === 0 && rightColumns % 4 === 0
  const kernel = isInFours ? rowProductsKernel : rowProductsAnyKernel
  const sizes = isInFours
    ? { left_lane4s: leftColumns / 4, right_lane4s: rightColumns / 4 }
    : { left_columns: leftColumns, right_columns: rightColumns }
  const side = isInFours ? 8 : 1
  const blocks = Math.ceil(leftColumns / side) * Math.ceil(rightColumns / side)
  context.recorder.dispatch({
    kernel,
    variant: kernel.variants.only,
    tensors: [left, right, starts, slots],
    params: { segment_count: count, first_slot: firstSlot, scale, ...sizes },
    workgroupCount: Math.ceil((count * blocks) / 64),
  })
}

/** output += Σ factors[s] · slots[s] for slots [S, …] and output of a slot's shape, in the order of the slots. */
export function addWeightedSlots(context: OpContext, slots: Tensor, factors: Tensor, output: Tensor): void {
  const [slotCount = 0, ...shape] = slots.shape
  expectShape("addWeightedSlots", "output", output, shape)
  expectShape("addWeightedSlots", "factors", factors, [slotCount])
  expectDistinct("addWeightedSlots", output, [slots, factors])
  const elements = output.byteLength / 4
  context.recorder.dispatch({
    kernel: weightedSlotSumKernel,
    variant: weightedSlotSumKernel.variants[lane4Of(elements)],
    tensors: [slots, factors, output],
    params: { slot_count: slotCount, lane4s_per_slot: lane4sPerRow(elements) },
    workgroupCount: Math.ceil(lane4sPerRow(elements) / 64),
  })
}
