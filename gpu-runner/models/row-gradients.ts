// An adapter's gradient kept for each row of a step, until the factors of the rows are known: backward passes may then run before the
// loss is. A slot for each row and low-rank matrix.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { addWeightedSlots } from "#gpu-runner/ops/matmul/row-products.ts"
import type { Decoder } from "./decoder-parameters.ts"
import type { LaidOutBatch } from "./laid-out-batch.ts"
import type { LowRank } from "./linear.ts"
import { mapLinears } from "./map-linears.ts"

/** Slots [S, …] by the bank's gradient [...] that their weighted sum is added to. */
export type RowGradients = ReadonlyMap<Tensor, Tensor>

/** Slots for the rows of a step, in the open scope, with undefined contents. The model trains an adapter. */
export function openRowGradients(context: OpContext, model: Decoder, rowCount: number): RowGradients {
  const gradients = new Map<Tensor, Tensor>()
  mapLinears(model, (linear) => {
    for (const gradient of gradientsOf(linear.lowRank)) {
      const slots = context.memory.allocate([rowCount, ...gradient.shape], "f32", `row_gradients.${gradient.label}`)
      gradients.set(gradient, slots)
    }
    return linear
  })
  return gradients
}

/** Bytes of one row's slots, and of one row's largest slot. */
export function slotBytes(model: Decoder): { readonly row: number; readonly largest: number } {
  let [row, largest] = [0, 0]
  mapLinears(model, (linear) => {
    for (const { byteLength } of gradientsOf(linear.lowRank)) {
      row += byteLength
      largest = Math.max(largest, byteLength)
    }
    return linear
  })
  return { row, largest }
}

function gradientsOf(lowRank: LowRank | undefined): readonly Tensor[] {
  return [lowRank?.a.gradient, lowRank?.b.gradient].filter((gradient) => gradient !== undefined)
}

/** The model as a micro-batch's backward pass sees it, which then overwrites the slots of its rows, `firstSlot` and on. */
export function withRowGradients(
  model: Decoder,
  gradients: RowGradients,
  { segments }: LaidOutBatch,
  firstSlot: number,
): Decoder {
  return mapLinears(model, (linear, { isOfPredicting }) => {
    const { lowRank } = linear
    if (!lowRank) return linear
    const kept = <W extends LowRank["a"]>(weight: W): W => {
      const slots = weight.gradient && gradients.get(weight.gradient)
      const ofRows = segments![isOfPredicting ? "predicting" : "tokens"]
      return slots ? { ...weight, rowSlots: { slots, segments: ofRows, firstSlot } } : weight
    }
    return { ...linear, lowRank: { ...lowRank, a: kept(lowRank.a), b: kept(lowRank.b) } }
  })
}

/** Adds Σ factors[row] · slots[row] to the bank's gradients; `factors` [S]. */
export function addRowGradients(context: OpContext, gradients: RowGradients, factors: Tensor): void {
  for (const [gradient, slots] of gradients) addWeightedSlots(context, slots, factors, gradient)
}
