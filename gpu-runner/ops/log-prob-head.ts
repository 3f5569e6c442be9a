// The language-model head: log-probabilities of given target tokens, in chunks of rows so that only one chunk of logits is alive.
// Backward there are two ways. Trained head: each chunk's logits are computed again. Frozen head: a row's gradient is one scalar times
// ∂logProb/∂hidden, so the forward pass can leave that behind while the logits are there, and no second pass over them is needed.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { logSoftmaxBackwardKernel } from "#gpu-runner/kernels/log_softmax_backward.ts"
import { logSoftmaxPickKernel } from "#gpu-runner/kernels/log_softmax_pick.ts"
import { packOf, packsPerRow, rowVariant } from "./choose-variant.ts"
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
import type { MatrixOperand } from "./quantised-weight.ts"

export interface LogProbHeadInputs {
  /** [R, C], the hidden rows that predict the targets. */
  readonly hidden: Tensor
  /** [V, C], packed or not */
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
 * is a cap. The row maximum is subtracted first.
 */
export function logProbHead(
  context: OpContext,
  hidden: Tensor,
  weight: MatrixOperand,
  targets: Tensor,
  options: HeadOptions = {},
): LogProbHeadResult {
  const sizes = checkedSizes("logProbHead", { hidden, weight, targets }, options)
  const result = allocateResult(context, sizes)
  forEachChunk(context, sizes, (chunk) => {
    pickLogProbs(context, chunkLogits(context, hidden, weight, chunk, sizes), targets, result, chunk)
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
  const sizes = checkedSizes("differentiableLogProbHead", { hidden, weight, targets }, options)
  const result = allocateResult(context, sizes)
  const rowGradient = context.memory.allocate([sizes.rows, sizes.channels], "f32", "log_prob_head.row_gradient")
  context.memory.withScope(() => {
    const ones = context.memory.allocate([sizes.rows], "f32", "log_prob_head.ones")
    fill(context, ones, 1)
    const saved = { targets, logSumExp: result.logSumExp, upstream: ones }
    forEachChunk(context, sizes, (chunk) => {
      const logits = chunkLogits(context, hidden, weight, chunk, sizes)
      pickLogProbs(context, logits, targets, result, chunk)
      differentiate(context, logits, saved, chunk, sizes)
      chunkGradients(context, logits, { hidden, weight }, chunk, { dHidden: rowGradient })
    })
    return undefined
  })
  return { ...result, rowGradient }
}

function checkedSizes(op: string, { hidden, weight, targets }: LogProbHeadInputs, options: HeadOptions): HeadSizes {
  const sizes = headSizes(op, hidden, weight, options)
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

// Reads a chunk of logits [rows, V] and writes its rows of the results.
function pickLogProbs(
  context: OpContext,
  logits: Tensor,
  targets: Tensor,
  { logProbs, logSumExp, entropy, collision }: LogProbHeadResult,
  { firstRow, rowCount }: RowChunk,
) {
  const [, vocabulary] = matrixShape("logProbHead", "logits", logits)
  context.recorder.dispatch({
    kernel: logSoftmaxPickKernel,
    variant: rowVariant(context, logSoftmaxPickKernel, vocabulary),
    tensors: [logits, targets, logProbs, logSumExp, entropy, collision],
    params: { row_count: rowCount, packs_per_row: packsPerRow(vocabulary), first_row: firstRow },
    workgroupCount: rowCount,
  })
}

// Turns a chunk of capped logits [rows, V] into the gradient of Σ upstream · logProb with respect to the uncapped ones, in place.
function differentiate(
  context: OpContext,
  logits: Tensor,
  { targets, logSumExp, upstream }: { readonly targets: Tensor; readonly logSumExp: Tensor; readonly upstream: Tensor },
  { firstRow, rowCount }: RowChunk,
  sizes: HeadSizes,
) {
  const packs = packsPerRow(sizes.vocabulary)
  context.recorder.dispatch({
    kernel: logSoftmaxBackwardKernel,
    variant: logSoftmaxBackwardKernel.variants[packOf(sizes.vocabulary)],
    tensors: [targets, logSumExp, upstream, logits],
    params: {
      row_count: rowCount,
      packs_per_row: packs,
      first_row: firstRow,
      inverse_soft_cap: inverseSoftCap(sizes),
    },
    workgroupCount: Math.ceil((rowCount * packs) / 64),
  })
}

/**
 * The gradient of Σ upstream[r] · logProbs[r]: dHidden [R, C] in a new tensor, and weight's added to `dWeight` [V, C] if given.
 * `upstream` [R] is dL/dlogProb of each row.
 */
export function logProbHeadBackward(
  context: OpContext,
  saved: LogProbHeadInputs & { readonly logSumExp: Tensor; readonly upstream: Tensor },
  options: HeadOptions & { readonly dWeight?: Tensor | undefined } = {},
): Tensor {
  const { hidden, weight, logSumExp, upstream } = saved
  const sizes = checkedSizes("logProbHeadBackward", saved, options)
  expectShape("logProbHeadBackward", "logSumExp", logSumExp, [sizes.rows])
  expectShape("logProbHeadBackward", "upstream", upstream, [sizes.rows])
  const dHidden = context.memory.allocate([sizes.rows, sizes.channels], "f32", "log_prob_head.d_hidden")
  forEachChunk(context, sizes, (chunk) => {
    const logits = chunkLogits(context, hidden, weight, chunk, sizes)
    differentiate(context, logits, saved, chunk, sizes)
    chunkGradients(context, logits, saved, chunk, { dHidden, dWeight: options.dWeight })
  })
  return dHidden
}
