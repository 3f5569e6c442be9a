// TDPO's part of a training step: KL(reference ‖ policy) at every position that predicts a scored token, and its gradient into the policy.
// The reference is run on the same packed batch; it gets no gradient.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { hiddenDecoder } from "#gpu-runner/models/decoder.ts"
import type { Decoder } from "#gpu-runner/models/decoder-parameters.ts"
import { withMatrices } from "#gpu-runner/models/frozen-weight.ts"
import type { PackedBatch } from "#gpu-runner/models/packed-batch.ts"
import {
  differentiableDivergenceHead,
  divergenceHead,
  divergenceHeadBackward,
} from "#gpu-runner/ops/divergence-head.ts"
import { scaleRows } from "#gpu-runner/ops/rows.ts"

export interface DivergencePass {
  /** [R], nats */
  readonly divergence: Tensor
  /** From dL/ddivergence [R] to dL/dhidden [R, C]; a trained head's gradient is added to it. */
  readonly backward: (dDivergence: Tensor) => Tensor
}

/** `hidden` [R, C] are the policy's hidden rows of the batch; everything lives in the open scope. */
export function forwardDivergence(
  context: OpContext,
  { config, head }: Decoder,
  reference: Decoder,
  batch: PackedBatch,
  hidden: Tensor,
): DivergencePass {
  const referenceHidden = hiddenDecoder(context, reference, batch)
  const options = { softCap: config.finalSoftCap }
  const { gradient: dWeight } = head
  if (dWeight) {
    const rows = { hidden, referenceHidden }
    const divergence = withMatrices(
      context,
      head,
      reference.head,
      (weight, referenceWeight) => divergenceHead(context, { ...rows, weight, referenceWeight }, options).divergence,
    )
    const backward = (upstream: Tensor) =>
      withMatrices(context, head, reference.head, (weight, referenceWeight) =>
        divergenceHeadBackward(context, { ...rows, weight, referenceWeight, upstream }, { ...options, dWeight }),
      )
    return { divergence, backward }
  }
  const { divergence, rowGradient } = withMatrices(context, head, reference.head, (weight, referenceWeight) => ({
    ...differentiableDivergenceHead(context, { hidden, weight, referenceHidden, referenceWeight }, options),
  }))
  return { divergence, backward: (upstream) => scaleRows(context, rowGradient, upstream) }
}
