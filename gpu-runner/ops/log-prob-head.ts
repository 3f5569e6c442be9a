// The language-model head: log-probabilities of given target tokens, in chunks of rows so that only one chunk of logits is alive.
// Backward there are two ways. Trained head: each chunk's logits are computed again. Frozen head: a row's gradient is one scalar times
// ∂logProb/∂hidden, so the forward pass can leave that behind while the logits are there, and no second pass over them is needed.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import { rowsView, type Tensor } from "#gpu-runner/device/tensor.ts"
import { logSoftmaxBackwardKernel } from "#gpu-runner/kernels/log_softmax_backward.ts"
import { logSoftmaxPickKernel } from "#gpu-runner/kernels/log_softmax_pick.ts"
import { packOf, packsPerRow, rowVariant } from "./choose-variant.ts"
import { fill } from "./elementwise.ts"
import { expectShape, matrixShape } from "./expect-shape.ts"
import { matmul } from "./matmul.ts"
import { capInPlace, softCapParam } from "./soft-cap.ts"

export interface LogProbHeadInputs {
  /** [R, C], the hidden rows that predict the targets. */
  readonly hidden: Tensor
  /** [V, C] */
  readonly weight: Tensor
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

export interface HeadOptions {
  /** Rows of logits alive at once; a multiple of 64. By default as many as fit into 32 MiB. */
  readonly chunkRows?: number | undefined
  /** Bounds the logits to ±softCap by softCap · tanh(logit / softCap), in f32 before the softmax (Gemma 2). None by default. */
  readonly softCap?: number | undefined
}

const CHUNK_BYTES = 32 * 2 ** 20
// Views start at multiples of 256 bytes whatever the row length, if a chunk's rows are a multiple of 64.
const CHUNK_ROWS_STEP = 64

interface Sizes {
  readonly rows: number
  readonly channels: number
  readonly vocabulary: number
  readonly chunkRows: number
  /** 0 for none. */
  readonly softCap: number
}

function headSizes(op: string, { hidden, weight, targets }: LogProbHeadInputs, options: HeadOptions): Sizes {
  const [rows, channels] = matrixShape(op, "hidden", hidden)
  const [vocabulary] = matrixShape(op, "weight", weight)
  expectShape(op, "weight", weight, [vocabulary, channels])
  expectShape(op, "targets", targets, [rows], "u32")
  const fitting = Math.floor(CHUNK_BYTES / (vocabulary * 4) / CHUNK_ROWS_STEP) * CHUNK_ROWS_STEP
  const chunkRows = options.chunkRows ?? Math.max(CHUNK_ROWS_STEP, fitting)
  if (chunkRows < CHUNK_ROWS_STEP || chunkRows % CHUNK_ROWS_STEP !== 0) {
    throw new ShapeMismatch(op, `chunkRows is ${chunkRows}; it must be a positive multiple of ${CHUNK_ROWS_STEP}`)
  }
  return { rows, channels, vocabulary, chunkRows, softCap: softCapParam(op, options.softCap) }
}

function forEachChunk(sizes: Sizes, body: (firstRow: number, rowCount: number) => void) {
  for (let firstRow = 0; firstRow < sizes.rows; firstRow += sizes.chunkRows) {
    body(firstRow, Math.min(sizes.chunkRows, sizes.rows - firstRow))
  }
}

/** log softmax(hidden · weightᵀ)[target] for each row, with its normaliser, entropy and collision, all of the capped logits. The row maximum is subtracted first. */
export function logProbHead(
  context: OpContext,
  hidden: Tensor,
  weight: Tensor,
  targets: Tensor,
  options: HeadOptions = {},
): LogProbHeadResult {
  const sizes = headSizes("logProbHead", { hidden, weight, targets }, options)
  const result = allocateResult(context, sizes)
  forEachChunk(sizes, (firstRow, rowCount) => {
    context.memory.withScope(() => {
      const logits = cappedLogits(context, rowsView(hidden, firstRow, rowCount), weight, sizes)
      pickLogProbs(context, logits, targets, result, firstRow)
      return undefined
    })
  })
  return result
}

/** As logProbHead, keeping ∂logProb/∂hidden of each row: one more product of the same size now, two fewer in the backward pass. */
export function differentiableLogProbHead(
  context: OpContext,
  hidden: Tensor,
  weight: Tensor,
  targets: Tensor,
  options: HeadOptions = {},
): DifferentiableHeadResult {
  const sizes = headSizes("differentiableLogProbHead", { hidden, weight, targets }, options)
  const result = allocateResult(context, sizes)
  const rowGradient = context.memory.allocate([sizes.rows, sizes.channels], "f32", "log_prob_head.row_gradient")
  context.memory.withScope(() => {
    const ones = context.memory.allocate([sizes.rows], "f32", "log_prob_head.ones")
    fill(context, ones, 1)
    forEachChunk(sizes, (firstRow, rowCount) => {
      context.memory.withScope(() => {
        const logits = cappedLogits(context, rowsView(hidden, firstRow, rowCount), weight, sizes)
        pickLogProbs(context, logits, targets, result, firstRow)
        const saved = { targets, logSumExp: result.logSumExp, upstream: ones }
        differentiate(context, logits, saved, firstRow, sizes)
        matmul(context, logits, weight, { out: rowsView(rowGradient, firstRow, rowCount) })
        return undefined
      })
    })
    return undefined
  })
  return { ...result, rowGradient }
}

function allocateResult(context: OpContext, { rows }: Sizes): LogProbHeadResult {
  return {
    logProbs: context.memory.allocate([rows], "f32", "log_prob_head.log_probs"),
    logSumExp: context.memory.allocate([rows], "f32", "log_prob_head.log_sum_exp"),
    entropy: context.memory.allocate([rows], "f32", "log_prob_head.entropy"),
    collision: context.memory.allocate([rows], "f32", "log_prob_head.collision"),
  }
}

// hidden · weightᵀ, soft-capped if the head is: a chunk of logits [rows, V].
function cappedLogits(context: OpContext, hiddenRows: Tensor, weight: Tensor, { softCap }: Sizes): Tensor {
  const logits = matmul(context, hiddenRows, weight, { transposeB: true })
  if (softCap > 0) capInPlace(context, logits, softCap)
  return logits
}

// Reads a chunk of logits [rows, V] and writes its rows of the results.
function pickLogProbs(
  context: OpContext,
  logits: Tensor,
  targets: Tensor,
  { logProbs, logSumExp, entropy, collision }: LogProbHeadResult,
  firstRow: number,
) {
  const [rows, vocabulary] = matrixShape("logProbHead", "logits", logits)
  context.recorder.dispatch({
    kernel: logSoftmaxPickKernel,
    variant: rowVariant(context, logSoftmaxPickKernel, vocabulary),
    tensors: [logits, targets, logProbs, logSumExp, entropy, collision],
    params: { row_count: rows, packs_per_row: packsPerRow(vocabulary), first_row: firstRow },
    workgroupCount: rows,
  })
}

// Turns a chunk of capped logits [rows, V] into the gradient of Σ upstream · logProb with respect to the uncapped ones, in place.
function differentiate(
  context: OpContext,
  logits: Tensor,
  { targets, logSumExp, upstream }: { readonly targets: Tensor; readonly logSumExp: Tensor; readonly upstream: Tensor },
  firstRow: number,
  { softCap }: Sizes,
) {
  const [rows, vocabulary] = matrixShape("logProbHead", "logits", logits)
  const inverseSoftCap = softCap > 0 ? 1 / softCap : 0
  const packs = packsPerRow(vocabulary)
  context.recorder.dispatch({
    kernel: logSoftmaxBackwardKernel,
    variant: logSoftmaxBackwardKernel.variants[packOf(vocabulary)],
    tensors: [targets, logSumExp, upstream, logits],
    params: { row_count: rows, packs_per_row: packs, first_row: firstRow, inverse_soft_cap: inverseSoftCap },
    workgroupCount: Math.ceil((rows * packs) / 64),
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
  const sizes = headSizes("logProbHeadBackward", saved, options)
  expectShape("logProbHeadBackward", "logSumExp", logSumExp, [sizes.rows])
  expectShape("logProbHeadBackward", "upstream", upstream, [sizes.rows])
  const dHidden = context.memory.allocate([sizes.rows, sizes.channels], "f32", "log_prob_head.d_hidden")
  forEachChunk(sizes, (firstRow, rowCount) => {
    context.memory.withScope(() => {
      const hiddenRows = rowsView(hidden, firstRow, rowCount)
      const logits = cappedLogits(context, hiddenRows, weight, sizes)
      differentiate(context, logits, saved, firstRow, sizes)
      matmul(context, logits, weight, { out: rowsView(dHidden, firstRow, rowCount) })
      if (options.dWeight) {
        matmul(context, logits, hiddenRows, { transposeA: true, out: options.dWeight, accumulate: true })
      }
      return undefined
    })
  })
  return dHidden
}
