// Attention over laid-out rows of prefix-shared pairs, with grouped-query heads. Probabilities are never stored: the forward pass keeps
// one log-sum-exp per (token, head), the backward pass computes them again (FlashAttention, arXiv 2205.14135).
import type { OpContext } from "#gpu-runner/device/context.ts"
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import { loadKernel } from "#gpu-runner/device/kernel.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { softCapParam } from "../elementwise/elementwise.ts"
import { expectShape, matrixShape } from "../expect-shape.ts"
import type { AttentionLayout, AttentionParams } from "./attention-lists.ts"
import { portableAttention, portableAttentionBackward } from "./attention-portable.ts"
import { tiledAttention, tiledAttentionBackward } from "./attention-tiled.ts"
import { workgroupAttention, workgroupAttentionBackward } from "./attention-workgroup.ts"

const statisticsKernel = loadKernel("attention_statistics")

export interface AttentionOptions {
  /** H, query heads. */
  readonly headCount: number
  /** KV, a divisor of H. */
  readonly keyValueHeadCount: number
  /** Multiplies the scores; 1 / sqrt(D) by default. */
  readonly scale?: number
  /** Bounds the scaled scores to ±softCap by softCap · tanh(score / softCap), before the mask (Gemma 2). None by default. */
  readonly softCap?: number | undefined
}

export interface AttentionInputs {
  /** [Q, H·D]: the layout's queries; all T tokens unless it was made for fewer. */
  readonly query: Tensor
  /** [T, KV·D] */
  readonly key: Tensor
  /** [T, KV·D] */
  readonly value: Tensor
}

export interface AttentionResult {
  /** [Q, H·D] */
  readonly output: Tensor
  /** [Q, H], nats, kept for the backward pass. */
  readonly logSumExp: Tensor
}

const LARGEST_HEAD = 256

interface HeadShape {
  readonly queries: number
  readonly params: AttentionParams
}

function headShape(op: string, inputs: AttentionInputs, layout: AttentionLayout, options: AttentionOptions): HeadShape {
  const { headCount, keyValueHeadCount } = options
  const [queries, columns] = matrixShape(op, "query", inputs.query)
  const headSize = columns / headCount
  if (!Number.isInteger(headSize) || headCount % keyValueHeadCount !== 0) {
    const heads = `${headCount} query heads and ${keyValueHeadCount} key-value heads`
    throw new ShapeMismatch(op, `query [${inputs.query.shape}] does not divide into ${heads}`)
  }
  expectShape(op, "ranges", layout.ranges, [queries, 4], "u32")
  expectShape(op, "key", inputs.key, [layout.tokenCount, keyValueHeadCount * headSize])
  expectShape(op, "value", inputs.value, [layout.tokenCount, keyValueHeadCount * headSize])
  if (headSize % 4 !== 0 || headSize > LARGEST_HEAD) {
    throw new ShapeMismatch(
      op,
      `head size ${headSize} is not supported; it must be a multiple of 4 up to ${LARGEST_HEAD}`,
    )
  }
  const params = {
    query_count: queries,
    key_count: layout.tokenCount,
    head_count: headCount,
    group_size: headCount / keyValueHeadCount,
    head_lane4s: headSize / 4,
    scale: options.scale ?? 1 / Math.sqrt(headSize),
    soft_cap: softCapParam(op, options.softCap),
  }
  return { queries, params }
}

/** Softmax attention of the layout's queries over their ranges. Errors: ShapeMismatch, also for head sizes that are no multiple of 4 up to 256. */
export function attention(
  context: OpContext,
  inputs: AttentionInputs,
  layout: AttentionLayout,
  options: AttentionOptions,
): AttentionResult {
  const { queries, params } = headShape("attention", inputs, layout, options)
  const output = context.memory.allocate(inputs.query.shape, "f32", "attention.output")
  const logSumExp = context.memory.allocate([queries, options.headCount], "f32", "attention.log_sum_exp")
  const tensors = { ...inputs, output, logSumExp }
  if (layout.kernels === "tiled") tiledAttention(context, tensors, layout, params)
  else if (layout.kernels === "workgroup") workgroupAttention(context, tensors, layout, params)
  else portableAttention(context, tensors, layout, params)
  return { output, logSumExp }
}

export interface AttentionGradients {
  readonly dQuery: Tensor
  readonly dKey: Tensor
  readonly dValue: Tensor
}

/** Gradients of query, key and value, in new tensors. */
export function attentionBackward(
  context: OpContext,
  saved: AttentionInputs & AttentionResult & { readonly dOutput: Tensor },
  layout: AttentionLayout,
  options: AttentionOptions,
): AttentionGradients {
  const { queries, params } = headShape("attentionBackward", saved, layout, options)
  const { query, key, value, dOutput } = saved
  expectShape("attentionBackward", "dOutput", dOutput, query.shape)
  expectShape("attentionBackward", "output", saved.output, query.shape)
  expectShape("attentionBackward", "logSumExp", saved.logSumExp, [queries, options.headCount])
  const gradients = {
    dQuery: context.memory.allocate(query.shape, "f32", "attention.d_query"),
    dKey: context.memory.allocate(key.shape, "f32", "attention.d_key"),
    dValue: context.memory.allocate(value.shape, "f32", "attention.d_value"),
  }
  context.memory.withScope(() => {
    const tensors = { ...saved, ...gradients, statistics: attentionStatistics(context, saved, params) }
    if (layout.kernels === "tiled") tiledAttentionBackward(context, tensors, layout, params)
    else if (layout.kernels === "workgroup") workgroupAttentionBackward(context, tensors, layout, params)
    else portableAttentionBackward(context, tensors, layout, params)
    return undefined
  })
  return gradients
}

/** [Q · H, 2]: log-sum-exp and dOutput · output, what the backward pass needs of every query row and head besides what the forward pass kept. */
export function attentionStatistics(
  context: OpContext,
  { output, dOutput, logSumExp }: AttentionResult & { readonly dOutput: Tensor },
  { query_count, head_count, head_lane4s }: Pick<AttentionParams, "query_count" | "head_count" | "head_lane4s">,
): Tensor {
  const rows = query_count * head_count
  const statistics = context.memory.allocate([rows, 2], "f32", "attention.statistics")
  context.recorder.dispatch({
    kernel: statisticsKernel,
    variant: statisticsKernel.variants.only,
    tensors: [output, dOutput, logSumExp, statistics],
    params: { row_count: rows, head_lane4s },
    workgroupCount: Math.ceil(rows / 64),
  })
  return statistics
}
