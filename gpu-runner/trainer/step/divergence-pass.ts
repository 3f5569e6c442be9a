// TDPO's part of a training step: KL(reference ‖ policy) at every position that predicts a scored token, and its gradient into the policy.
// The reference is run on the same packed batch; it gets no gradient.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Survivors } from "#gpu-runner/device/memory.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { hiddenDecoder } from "#gpu-runner/models/decoder.ts"
import type { Decoder } from "#gpu-runner/models/decoder-parameters.ts"
import { withMatrices } from "#gpu-runner/models/frozen-weight.ts"
import type { PackedBatch } from "#gpu-runner/models/packed-batch.ts"
import {
  type DivergenceHeadInputs,
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
  policy: Decoder,
  reference: Decoder,
  batch: PackedBatch,
  hidden: Tensor,
): DivergencePass {
  const referenceHidden = hiddenDecoder(context, reference, batch)
  const options = { softCap: policy.config.finalSoftCap }
  const { gradient: dWeight } = policy.head
  if (dWeight) {
    return {
      divergence: divergenceOf(context, policy, reference, { hidden, referenceHidden }),
      backward: (upstream) =>
        withHeads(context, policy, reference, (heads) => {
          const inputs = { hidden, referenceHidden, ...heads, upstream }
          return divergenceHeadBackward(context, inputs, { ...options, dWeight })
        }),
    }
  }
  const { divergence, rowGradient } = withHeads(context, policy, reference, (heads) => ({
    ...differentiableDivergenceHead(context, { hidden, referenceHidden, ...heads }, options),
  }))
  return { divergence, backward: (upstream) => scaleRows(context, rowGradient, upstream) }
}

/** KL(reference ‖ policy) [R], nats, of hidden rows of both models [R, C]; no backward pass. */
export function divergenceOf(
  context: OpContext,
  policy: Decoder,
  reference: Decoder,
  rows: Pick<DivergenceHeadInputs, "hidden" | "referenceHidden">,
): Tensor {
  const options = { softCap: policy.config.finalSoftCap }
  return withHeads(
    context,
    policy,
    reference,
    (heads) => divergenceHead(context, { ...rows, ...heads }, options).divergence,
  )
}

/** Records `use` on both heads in f32; a head that both models share is expanded once. */
function withHeads<T extends Survivors>(
  context: OpContext,
  { head }: Decoder,
  { head: referenceHead }: Decoder,
  use: (heads: Pick<DivergenceHeadInputs, "weight" | "referenceWeight">) => T,
): T {
  return withMatrices(context, head, referenceHead, (weight, referenceWeight) => use({ weight, referenceWeight }))
}
