// KL(reference ‖ policy) of each row over the whole vocabulary, for methods that bound it token by token (TDPO, Zeng et al., arXiv
// 2404.11999). Both models' logits of a chunk of rows are alive at once; the gradient goes to the policy only.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { divergenceRowsKernel } from "#gpu-runner/kernels/divergence_rows.ts"
import { divergenceRowsBackwardKernel } from "#gpu-runner/kernels/divergence_rows_backward.ts"
import { packsPerRow, rowVariant } from "./choose-variant.ts"
import { fill } from "./elementwise.ts"
import { expectShape, matrixShape } from "./expect-shape.ts"
import {
  chunkGradients,
  chunkLogits,
  forEachChunk,
  type HeadOptions,
  type HeadSizes,
  headSizes,
  inverseSoftCap,
  type RowChunk,
} from "./head-chunks.ts"
import { expectOperandShape, type MatrixOperand } from "./quantised-weight.ts"

export interface DivergenceHeadInputs {
  /** [R, C], the policy's hidden rows. */
  readonly hidden: Tensor
  /** [V, C], packed or not */
  readonly weight: MatrixOperand
  /** [R, C′], the reference's hidden rows of the same tokens. */
  readonly referenceHidden: Tensor
  /** [V, C′]; may be `weight` itself. */
  readonly referenceWeight: MatrixOperand
}

export interface DivergenceHeadResult {
  /** [R], nats, never negative: Σ_v q_v (log q_v − log p_v) with q the reference's and p the policy's softmax. */
  readonly divergence: Tensor
}

/** What the backward pass of a frozen head needs. */
export interface DifferentiableDivergenceResult extends DivergenceHeadResult {
  /** [R, C]: ∂divergence[r] / ∂hidden[r]. The hidden rows' gradient is scaleRows(rowGradient, upstream). */
  readonly rowGradient: Tensor
}

function divergenceSizes(op: string, inputs: DivergenceHeadInputs, options: HeadOptions): HeadSizes {
  const { hidden, weight, referenceHidden, referenceWeight } = inputs
  const sizes = headSizes(op, hidden, weight, options)
  const [, referenceChannels] = matrixShape(op, "referenceHidden", referenceHidden)
  expectShape(op, "referenceHidden", referenceHidden, [sizes.rows, referenceChannels])
  expectOperandShape(op, "referenceWeight", referenceWeight, [sizes.vocabulary, referenceChannels])
  return sizes
}

interface LogitsPair {
  readonly logits: Tensor
  readonly referenceLogits: Tensor
}

function logitsOf(context: OpContext, inputs: DivergenceHeadInputs, chunk: RowChunk, sizes: HeadSizes): LogitsPair {
  return {
    logits: chunkLogits(context, inputs.hidden, inputs.weight, chunk, sizes),
    referenceLogits: chunkLogits(context, inputs.referenceHidden, inputs.referenceWeight, chunk, sizes),
  }
}

/** The divergence of each row; 0 exactly where both models give the same logits. Errors: ShapeMismatch. f32 accumulation. */
export function divergenceHead(
  context: OpContext,
  inputs: DivergenceHeadInputs,
  options: HeadOptions = {},
): DivergenceHeadResult {
  const sizes = divergenceSizes("divergenceHead", inputs, options)
  const divergence = context.memory.allocate([sizes.rows], "f32", "divergence_head.divergence")
  forEachChunk(context, sizes, (chunk) => {
    measure(context, logitsOf(context, inputs, chunk, sizes), divergence, chunk, sizes)
  })
  return { divergence }
}

/** As divergenceHead, keeping ∂divergence/∂hidden of each row, so that a frozen head's backward pass needs no logits. */
export function differentiableDivergenceHead(
  context: OpContext,
  inputs: DivergenceHeadInputs,
  options: HeadOptions = {},
): DifferentiableDivergenceResult {
  const sizes = divergenceSizes("differentiableDivergenceHead", inputs, options)
  const divergence = context.memory.allocate([sizes.rows], "f32", "divergence_head.divergence")
  const rowGradient = context.memory.allocate([sizes.rows, sizes.channels], "f32", "divergence_head.row_gradient")
  context.memory.withScope(() => {
    const ones = context.memory.allocate([sizes.rows], "f32", "divergence_head.ones")
    fill(context, ones, 1)
    forEachChunk(context, sizes, (chunk) => {
      const pair = logitsOf(context, inputs, chunk, sizes)
      measure(context, pair, divergence, chunk, sizes)
      differentiate(context, pair, ones, chunk, sizes)
      chunkGradients(context, pair.logits, inputs, chunk, { dHidden: rowGradient })
    })
    return undefined
  })
  return { divergence, rowGradient }
}

/**
 * The gradient of Σ upstream[r] · divergence[r]: dHidden [R, C] in a new tensor, and the policy weight's added to `dWeight` [V, C] if
 * given. `upstream` [R] is dL/ddivergence of each row. Logits are computed again.
 */
export function divergenceHeadBackward(
  context: OpContext,
  saved: DivergenceHeadInputs & { readonly upstream: Tensor },
  options: HeadOptions & { readonly dWeight?: Tensor | undefined } = {},
): Tensor {
  const sizes = divergenceSizes("divergenceHeadBackward", saved, options)
  expectShape("divergenceHeadBackward", "upstream", saved.upstream, [sizes.rows])
  const dHidden = context.memory.allocate([sizes.rows, sizes.channels], "f32", "divergence_head.d_hidden")
  forEachChunk(context, sizes, (chunk) => {
    const pair = logitsOf(context, saved, chunk, sizes)
    differentiate(context, pair, saved.upstream, chunk, sizes)
    chunkGradients(context, pair.logits, saved, chunk, { dHidden, dWeight: options.dWeight })
  })
  return dHidden
}

// Writes the divergences of a chunk's rows.
function measure(
  context: OpContext,
  { logits, referenceLogits }: LogitsPair,
  divergence: Tensor,
  { firstRow, rowCount }: RowChunk,
  { vocabulary }: HeadSizes,
) {
  context.recorder.dispatch({
    kernel: divergenceRowsKernel,
    variant: rowVariant(context, divergenceRowsKernel, vocabulary),
    tensors: [logits, referenceLogits, divergence],
    params: { row_count: rowCount, packs_per_row: packsPerRow(vocabulary), first_row: firstRow },
    workgroupCount: rowCount,
  })
}

// Turns the policy's capped logits of a chunk into the gradient of Σ upstream · divergence with respect to the uncapped ones, in place.
function differentiate(
  context: OpContext,
  { logits, referenceLogits }: LogitsPair,
  upstream: Tensor,
  { firstRow, rowCount }: RowChunk,
  sizes: HeadSizes,
) {
  context.recorder.dispatch({
    kernel: divergenceRowsBackwardKernel,
    variant: rowVariant(context, divergenceRowsBackwardKernel, sizes.vocabulary),
    tensors: [upstream, referenceLogits, logits],
    params: {
      row_count: rowCount,
      packs_per_row: packsPerRow(sizes.vocabulary),
      first_row: firstRow,
      inverse_soft_cap: inverseSoftCap(sizes),
    },
    workgroupCount: rowCount,
  })
}
