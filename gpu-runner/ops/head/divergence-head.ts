// KL(reference ‖ policy) of each row over the whole vocabulary, for methods that bound it token by token (TDPO, Zeng et al., arXiv
// 2404.11999). Both models' logits of a chunk of rows are alive at once; the gradient goes to the policy only.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { loadKernel } from "#gpu-runner/device/kernel.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { lane4Variants, vocabularyVariants } from "#gpu-runner/kernels/variants.ts"
import { lane4Of, lane4sPerRow, vocabularyVariant } from "../choose-variant.ts"
import { fill } from "../elementwise/elementwise.ts"
import { expectShape, matrixShape } from "../expect-shape.ts"
import type { F32Matrix, RowRange } from "../matmul/matrix-ranges.ts"
import {
  expectOperandShape,
  type MatrixOperand,
  type OperandRange,
  operandRows,
  type WholeOperand,
} from "../matmul/quantised-weight.ts"
import {
  expectWeightGradient,
  forEachChunk,
  type HeadGradients,
  type HeadOptions,
  type HeadSizes,
  headSizes,
  inverseSoftCap,
  type RowChunk,
  rangeGradients,
  rangeLogits,
  segmentCount,
  type VocabularyRange,
  vocabularyRanges,
} from "./head-chunks.ts"

const divergenceRowsKernel = loadKernel("divergence_rows", vocabularyVariants())
const divergenceRowsBackwardKernel = loadKernel("divergence_rows_backward", lane4Variants())
const logNormaliserKernel = loadKernel("log_normaliser", vocabularyVariants())

export interface DivergenceHeadInputs {
  /** [R, C], the policy's hidden rows. */
  readonly hidden: Tensor
  /** [V, C], coded or not */
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

function divergenceSizes(
  context: OpContext,
  op: string,
  inputs: DivergenceHeadInputs,
  options: HeadOptions,
): HeadSizes {
  const { referenceHidden, referenceWeight } = inputs
  const [, referenceChannels] = matrixShape(op, "referenceHidden", referenceHidden)
  const sizes = headSizes(context, op, inputs, options, referenceChannels)
  expectShape(op, "referenceHidden", referenceHidden, [sizes.rows, referenceChannels])
  expectOperandShape(op, "referenceWeight", referenceWeight, [sizes.vocabulary, referenceChannels])
  return sizes
}

/** Both models' logits of a chunk and a range of the vocabulary. */
interface LogitsPair {
  readonly range: VocabularyRange
  readonly logits: Tensor
  readonly referenceLogits: Tensor
}

/** A chunk's logits over the whole vocabulary, and what turns each row of them into a softmax. */
interface ChunkLogits {
  readonly pairs: readonly LogitsPair[]
  /** [rows, 2]: see log_normaliser.wgsl. */
  readonly normaliser: Tensor
  readonly referenceNormaliser: Tensor
}

function logitsOf(context: OpContext, inputs: DivergenceHeadInputs, chunk: RowChunk, sizes: HeadSizes): ChunkLogits {
  const normaliser = context.memory.allocate([chunk.rowCount, 2], "f32", "divergence_head.normaliser")
  const referenceNormaliser = context.memory.allocate([chunk.rowCount, 2], "f32", "divergence_head.normaliser")
  const pairs = commonRanges(inputs.weight, inputs.referenceWeight).map(([range, referenceOperand]): LogitsPair => {
    const logits = rangeLogits(context, inputs.hidden, range.operand, chunk, sizes)
    const referenceLogits = rangeLogits(context, inputs.referenceHidden, referenceOperand, chunk, sizes)
    normalise(context, logits, normaliser, range)
    normalise(context, referenceLogits, referenceNormaliser, range)
    return { range, logits, referenceLogits }
  })
  return { pairs, normaliser, referenceNormaliser }
}

/** The ranges of the vocabulary that lie within one range of either weight. */
function commonRanges(
  weight: MatrixOperand,
  referenceWeight: MatrixOperand,
): (readonly [VocabularyRange, WholeOperand])[] {
  const [own, others] = [vocabularyRanges(weight), vocabularyRanges(referenceWeight)]
  const starts = [...new Set([...own, ...others].map(({ firstRow }) => firstRow))].sort((left, right) => left - right)
  const end = own.reduce((sum, { rowCount }) => sum + rowCount, 0)
  return starts.map((firstRow, index) => {
    const range = { firstRow, rowCount: (starts[index + 1] ?? end) - firstRow }
    const placed = { ...range, isFirst: index === 0, isLast: index === starts.length - 1 }
    return [{ ...placed, operand: operandWithin(own, range) }, operandWithin(others, range)] as const
  })
}

/** The rows of a range out of the operand that holds them all. */
function operandWithin(ranges: readonly OperandRange[], { firstRow, rowCount }: RowRange): WholeOperand {
  const holder = ranges.findLast((candidate) => candidate.firstRow <= firstRow)!
  if (holder.rowCount === rowCount) return holder.operand
  return operandRows(holder.operand, { firstRow: firstRow - holder.firstRow, rowCount })
}

/** The divergence of each row; 0 exactly where both models give the same logits. Errors: ShapeMismatch. f32 accumulation. */
export function divergenceHead(
  context: OpContext,
  inputs: DivergenceHeadInputs,
  options: HeadOptions = {},
): DivergenceHeadResult {
  const sizes = divergenceSizes(context, "divergenceHead", inputs, options)
  const divergence = context.memory.allocate([sizes.rows], "f32", "divergence_head.divergence")
  forEachChunk(context, sizes, (chunk) => {
    measure(context, logitsOf(context, inputs, chunk, sizes), divergence, chunk)
  })
  return { divergence }
}

/** As divergenceHead, keeping ∂divergence/∂hidden of each row, so that a frozen head's backward pass needs no logits. */
export function differentiableDivergenceHead(
  context: OpContext,
  inputs: DivergenceHeadInputs,
  options: HeadOptions = {},
): DifferentiableDivergenceResult {
  const sizes = divergenceSizes(context, "differentiableDivergenceHead", inputs, options)
  const divergence = context.memory.allocate([sizes.rows], "f32", "divergence_head.divergence")
  const rowGradient = context.memory.allocate([sizes.rows, sizes.channels], "f32", "divergence_head.row_gradient")
  context.memory.withScope(() => {
    const ones = context.memory.allocate([sizes.rows], "f32", "divergence_head.ones")
    fill(context, ones, 1)
    forEachChunk(context, sizes, (chunk) => {
      const made = logitsOf(context, inputs, chunk, sizes)
      measure(context, made, divergence, chunk)
      backward(context, made, { ...inputs, upstream: ones }, { chunk, sizes }, { dHidden: rowGradient })
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
  options: HeadOptions & { readonly dWeight?: F32Matrix | undefined } = {},
): Tensor {
  const sizes = divergenceSizes(context, "divergenceHeadBackward", saved, options)
  expectShape("divergenceHeadBackward", "upstream", saved.upstream, [sizes.rows])
  expectWeightGradient("divergenceHeadBackward", options.dWeight, sizes)
  const dHidden = context.memory.allocate([sizes.rows, sizes.channels], "f32", "divergence_head.d_hidden")
  forEachChunk(context, sizes, (chunk) => {
    const made = logitsOf(context, saved, chunk, sizes)
    backward(context, made, saved, { chunk, sizes }, { dHidden, dWeight: options.dWeight })
  })
  return dHidden
}

// Merges the rows' logits of a range into their normalisers.
function normalise(
  context: OpContext,
  logits: Tensor,
  normaliser: Tensor,
  { rowCount: tokenCount, isFirst }: VocabularyRange,
) {
  const [rows] = matrixShape("divergenceHead", "normaliser", normaliser)
  context.recorder.dispatch({
    kernel: logNormaliserKernel,
    variant: vocabularyVariant(context, logNormaliserKernel, tokenCount),
    tensors: [logits, normaliser],
    params: { row_count: rows, lane4s_per_row: lane4sPerRow(tokenCount), is_first: Number(isFirst) },
    workgroupCount: rows,
  })
}

// Writes the divergences of a chunk's rows.
function measure(
  context: OpContext,
  { pairs, normaliser, referenceNormaliser }: ChunkLogits,
  divergence: Tensor,
  { firstRow, rowCount }: RowChunk,
) {
  for (const { range, logits, referenceLogits } of pairs) {
    context.recorder.dispatch({
      kernel: divergenceRowsKernel,
      variant: vocabularyVariant(context, divergenceRowsKernel, range.rowCount),
      tensors: [logits, referenceLogits, normaliser, referenceNormaliser, divergence],
      params: {
        row_count: rowCount,
        lane4s_per_row: lane4sPerRow(range.rowCount),
        first_row: firstRow,
        accumulate: Number(!range.isFirst),
      },
      workgroupCount: rowCount,
    })
  }
}

// Turns the policy's capped logits of a chunk into the gradient of Σ upstream · divergence with respect to the uncapped ones, in place,
// and takes that back to the hidden rows and the weight.
function backward(
  context: OpContext,
  { pairs, normaliser, referenceNormaliser }: ChunkLogits,
  { hidden, upstream }: { readonly hidden: Tensor; readonly upstream: Tensor },
  { chunk, sizes }: { readonly chunk: RowChunk; readonly sizes: HeadSizes },
  gradients: HeadGradients,
) {
  for (const { range, logits, referenceLogits } of pairs) {
    const lane4s = lane4sPerRow(range.rowCount)
    context.recorder.dispatch({
      kernel: divergenceRowsBackwardKernel,
      variant: divergenceRowsBackwardKernel.variants[lane4Of(range.rowCount)],
      tensors: [upstream, normaliser, referenceNormaliser, referenceLogits, logits],
      params: {
        row_count: chunk.rowCount,
        lane4s_per_row: lane4s,
        first_row: chunk.firstRow,
        inverse_soft_cap: inverseSoftCap(sizes),
      },
      workgroupCount: segmentCount(chunk.rowCount, lane4s),
    })
    rangeGradients(context, logits, { hidden, range }, chunk, gradients)
  }
}
