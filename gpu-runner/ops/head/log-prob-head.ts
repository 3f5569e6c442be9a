// The language-model head: log-probabilities of given target tokens, in chunks of rows so that only one chunk of logits is alive, and
// in ranges of the vocabulary where the weight is larger than one binding.
// Backward there are two ways. Trained head: each chunk's logits are computed again. Frozen head: a row's gradient is one scalar times
// ∂logProb/∂hidden, so the forward pass can leave that behind while the logits are there, and no second pass over them is needed.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { loadKernel } from "#gpu-runner/device/kernel.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { lane4Variants, vocabularyVariants } from "#gpu-runner/kernels/variants.ts"
import { lane4Of, lane4sPerRow, vocabularyVariant } from "../choose-variant.ts"
import { fill } from "../elementwise/elementwise.ts"
import { expectShape } from "../expect-shape.ts"
import type { F32Matrix } from "../matmul/matrix-ranges.ts"
import type { MatrixOperand } from "../matmul/quantised-weight.ts"
import {
  expectWeightGradient,
  forEachChunk,
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

const logSoftmaxBackwardKernel = loadKernel("log_softmax_backward", lane4Variants())
const logSoftmaxPickKernel = loadKernel("log_softmax_pick", vocabularyVariants())

/** f32 in RowState of log_softmax_pick.wgsl. */
const ROW_STATE_LENGTH = 5

export interface LogProbHeadInputs {
  /** [R, C], the hidden rows that predict the targets. */
  readonly hidden: Tensor
  /** [V, C], coded or not */
  readonly weight: MatrixOperand
  /** u32 [R], each below V. */
  readonly targets: Tensor
}

export interface LogProbHeadResult {
  /** [R], nats */
  readonly logProbs: Tensor
  /** [R], nats, kept for the backward pass. */
  readonly logSumExp: Tensor
  /** [R], nats: the entropy of each row's distribution. */
  readonly entropy: Tensor
  /** [R], nats: log Σ_v p_v² of each row, for WPO's weights. No gradient. */
  readonly collision: Tensor
}

/** What the backward pass of a frozen head needs. */
export interface DifferentiableHeadResult extends LogProbHeadResult {
  /** [R, C]: ∂logProb[r] / ∂hidden[r]. The hidden rows' gradient is scaleRows(rowGradient, upstream). */
  readonly rowGradient: Tensor
}

/**
 * log softmax(hidden · weightᵀ)[target] for each row, with its normaliser, entropy and collision, all of the capped logits if there
 * is a cap. What is summed is relative to the row's largest logit.
 */
export function logProbHead(
  context: OpContext,
  hidden: Tensor,
  weight: MatrixOperand,
  targets: Tensor,
  options: HeadOptions = {},
): LogProbHeadResult {
  const sizes = checkedSizes(context, "logProbHead", { hidden, weight, targets }, options)
  const result = allocateResult(context, sizes)
  forEachChunk(context, sizes, (chunk) => {
    const pick = picking(context, targets, result, chunk)
    for (const range of vocabularyRanges(weight)) {
      context.memory.withScope(() => {
        pick(rangeLogits(context, hidden, range.operand, chunk, sizes), range)
        return undefined
      })
    }
  })
  return result
}

/** As logProbHead, keeping ∂logProb/∂hidden of each row: one more product of the same size now, two fewer in the backward pass. */
export function differentiableLogProbHead(
  context: OpContext,
  hidden: Tensor,
  weight: MatrixOperand,
  targets: Tensor,
  options: HeadOptions = {},
): DifferentiableHeadResult {
  const sizes = checkedSizes(context, "differentiableLogProbHead", { hidden, weight, targets }, options)
  const result = allocateResult(context, sizes)
  const rowGradient = context.memory.allocate([sizes.rows, sizes.channels], "f32", "log_prob_head.row_gradient")
  context.memory.withScope(() => {
    const ones = context.memory.allocate([sizes.rows], "f32", "log_prob_head.ones")
    fill(context, ones, 1)
    const saved = { targets, logSumExp: result.logSumExp, upstream: ones }
    forEachChunk(context, sizes, (chunk) => {
      const pick = picking(context, targets, result, chunk)
      // The normaliser is known after the last range: until then all logits of the chunk are kept.
      const made = vocabularyRanges(weight).map((range) => {
        const logits = rangeLogits(context, hidden, range.operand, chunk, sizes)
        pick(logits, range)
        return { range, logits }
      })
      for (const { range, logits } of made) {
        differentiate(context, logits, saved, { chunk, range }, sizes)
        rangeGradients(context, logits, { hidden, range }, chunk, { dHidden: rowGradient })
      }
    })
    return undefined
  })
  return { ...result, rowGradient }
}

function checkedSizes(
  context: OpContext,
  op: string,
  { hidden, weight, targets }: LogProbHeadInputs,
  options: HeadOptions,
): HeadSizes {
  const sizes = headSizes(context, op, { hidden, weight }, options)
  expectShape(op, "targets", targets, [sizes.rows], "u32")
  return sizes
}

function allocateResult(context: OpContext, { rows }: HeadSizes): LogProbHeadResult {
  return {
    logProbs: context.memory.allocate([rows], "f32", "log_prob_head.log_probs"),
    logSumExp: context.memory.allocate([rows], "f32", "log_prob_head.log_sum_exp"),
    entropy: context.memory.allocate([rows], "f32", "log_prob_head.entropy"),
    collision: context.memory.allocate([rows], "f32", "log_prob_head.collision"),
  }
}

/** Takes a chunk's logits range by range [rows, tokens], in order; the last one writes the chunk's rows of the results. */
function picking(
  context: OpContext,
  targets: Tensor,
  { logProbs, logSumExp, entropy, collision }: LogProbHeadResult,
  { firstRow, rowCount }: RowChunk,
) {
  const state = context.memory.allocate([rowCount, ROW_STATE_LENGTH], "f32", "log_prob_head.state")
  return (logits: Tensor, { firstRow: firstToken, rowCount: tokenCount, isFirst, isLast }: VocabularyRange) =>
    context.recorder.dispatch({
      kernel: logSoftmaxPickKernel,
      variant: vocabularyVariant(context, logSoftmaxPickKernel, tokenCount),
      tensors: [logits, targets, state, logProbs, logSumExp, entropy, collision],
      params: {
        row_count: rowCount,
        lane4s_per_row: lane4sPerRow(tokenCount),
        first_row: firstRow,
        first_column: firstToken,
        is_first: Number(isFirst),
        is_last: Number(isLast),
      },
      workgroupCount: rowCount,
    })
}

// Turns capped logits of a chunk and range into the gradient of Σ upstream · logProb with respect to the uncapped ones, in place.
function differentiate(
  context: OpContext,
  logits: Tensor,
  { targets, logSumExp, upstream }: { readonly targets: Tensor; readonly logSumExp: Tensor; readonly upstream: Tensor },
  { chunk, range }: { readonly chunk: RowChunk; readonly range: VocabularyRange },
  sizes: HeadSizes,
) {
  const lane4s = lane4sPerRow(range.rowCount)
  context.recorder.dispatch({
    kernel: logSoftmaxBackwardKernel,
    variant: logSoftmaxBackwardKernel.variants[lane4Of(range.rowCount)],
    tensors: [targets, logSumExp, upstream, logits],
    params: {
      row_count: chunk.rowCount,
      lane4s_per_row: lane4s,
      first_row: chunk.firstRow,
      first_column: range.firstRow,
      inverse_soft_cap: inverseSoftCap(sizes),
    },
    workgroupCount: segmentCount(chunk.rowCount, lane4s),
  })
}

/**
 * The gradient of Σ upstream[r] · logProbs[r]: dHidden [R, C] in a new tensor, and weight's added to `dWeight` [V, C] if given.
 * `upstream` [R] is dL/dlogProb of each row.
 */
export function logProbHeadBackward(
  context: OpContext,
  saved: LogProbHeadInputs & { readonly logSumExp: Tensor; readonly upstream: Tensor },
  options: HeadOptions & { readonly dWeight?: F32Matrix | undefined } = {},
): Tensor {
  const { hidden, weight, logSumExp, upstream } = saved
  const sizes = checkedSizes(context, "logProbHeadBackward", saved, options)
  expectShape("logProbHeadBackward", "logSumExp", logSumExp, [sizes.rows])
  expectShape("logProbHeadBackward", "upstream", upstream, [sizes.rows])
  expectWeightGradient("logProbHeadBackward", options.dWeight, sizes)
  const dHidden = context.memory.allocate([sizes.rows, sizes.channels], "f32", "log_prob_head.d_hidden")
  forEachChunk(context, sizes, (chunk) => {
    for (const range of vocabularyRanges(weight)) {
      context.memory.withScope(() => {
        const logits = rangeLogits(context, hidden, range.operand, chunk, sizes)
        differentiate(context, logits, saved, { chunk, range }, sizes)
        rangeGradients(context, logits, { hidden, range }, chunk, { dHidden, dWeight: options.dWeight })
        return undefined
      })
    }
  })
  return dHidden
}
