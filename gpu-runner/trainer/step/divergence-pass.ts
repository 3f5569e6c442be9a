// TDPO's part of a training step: KL(reference ‖ policy) at every position that predicts a scored token, and its gradient into the policy.
// The reference is run on the same laid-out rows; it gets no gradient.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { hiddenDecoder } from "#gpu-runner/models/decoder.ts"
import { type Decoder, headOptions } from "#gpu-runner/models/decoder-parameters.ts"
import type { LaidOutBatch } from "#gpu-runner/models/laid-out-batch.ts"
import {
  type DivergenceHeadInputs,
  differentiableDivergenceHead,
  divergenceHead,
  divergenceHeadBackward,
} from "#gpu-runner/ops/head/divergence-head.ts"
import { scaleRows } from "#gpu-runner/ops/rows/rows.ts"

export interface DivergencePass {
  /** [R], nats */
  readonly divergence: Tensor
  /** From dL/ddivergence [R] to dL/dhidden [R, C]; a trained head's gradient is added to it. */
  readonly backward: (dDivergence: Tensor) => Tensor
}

/** `hidden` [R, C] are the policy's hidden rows of the batch; everything lives in the open scope. */
export function forwardDivergence(
  context: OpContext,
  policy: Decoder,
  reference: Decoder,
  batch: LaidOutBatch,
  hidden: Tensor,
): DivergencePass {
  const inputs = headInputs(context, policy, reference, batch, hidden)
  const options = headOptions(policy)
  const { gradient: dWeight } = policy.head
  if (dWeight) {
    return {
      divergence: divergenceHead(context, inputs, options).divergence,
      backward: (upstream) => divergenceHeadBackward(context, { ...inputs, upstream }, { ...options, dWeight }),
    }
  }
  const { divergence, rowGradient } = differentiableDivergenceHead(context, inputs, options)
  return { divergence, backward: (upstream) => scaleRows(context, rowGradient, upstream) }
}

/** The divergences alone; no backward pass. */
export function divergenceOf(
  context: OpContext,
  policy: Decoder,
  reference: Decoder,
  batch: LaidOutBatch,
  hidden: Tensor,
): Tensor {
  return divergenceHead(context, headInputs(context, policy, reference, batch, hidden), headOptions(policy)).divergence
}

/** Runs the reference on the batch. */
function headInputs(
  context: OpContext,
  { head }: Decoder,
  reference: Decoder,
  batch: LaidOutBatch,
  hidden: Tensor,
): DivergenceHeadInputs {
  const referenceHidden = hiddenDecoder(context, reference, batch)
  return { hidden, referenceHidden, weight: head.stored, referenceWeight: reference.head.stored }
}
