// Attention over a pack of prefix-shared pairs, with grouped-query heads. Probabilities are never stored: the forward pass keeps
// one log-sum-exp per (token, head), the backward pass computes them again (FlashAttention, arXiv 2205.14135).
import type { OpContext } from "#gpu-runner/device/context.ts"
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { attentionKernel } from "#gpu-runner/kernels/attention.ts"
import { attentionBackwardKeyKernel } from "#gpu-runner/kernels/attention_backward_key.ts"
import { attentionBackwardQueryKernel } from "#gpu-runner/kernels/attention_backward_query.ts"
import { attentionStatisticsKernel } from "#gpu-runner/kernels/attention_statistics.ts"
import type { AttentionLayout } from "./attention-layout.ts"
import {
  type AttentionBackwardTensors,
  type AttentionParams,
  canTileAttention,
  tiledAttention,
  tiledAttentionBackward,
} from "./attention-tiled.ts"
import { headVariant } from "./choose-variant.ts"
import { expectShape, matrixShape } from "./expect-shape.ts"
import { softCapParam } from "./soft-cap.ts"

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

interface HeadShape {
  readonly queries: number
  readonly headSize: number
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
  if (headSize % 4 !== 0)
    throw new ShapeMismatch(op, `head size ${headSize} is not supported; it must be a multiple of 4`)
  const params = {
    query_count: queries,
    key_count: layout.tokenCount,
    head_count: headCount,
    group_size: headCount / keyValueHeadCount,
    head_packs: headSize / 4,
    scale: options.scale ?? 1 / Math.sqrt(headSize),
    soft_cap: softCapParam(op, options.softCap),
  }
  return { queries, headSize, params }
}

/** Softmax attention of the layout's queries over their ranges. Errors: ShapeMismatch, also for head sizes that are no multiple of 4 (or over 256 on adapters without 8-lane subgroups). */
export function attention(
  context: OpContext,
  inputs: AttentionInputs,
  layout: AttentionLayout,
  options: AttentionOptions,
): AttentionResult {
  const { queries, headSize, params } = headShape("attention", inputs, layout, options)
  const output = context.memory.allocate(inputs.query.shape, "f32", "attention.output")
  const logSumExp = context.memory.allocate([queries, options.headCount], "f32", "attention.log_sum_exp")
  if (canTileAttention(context, layout, params)) {
    tiledAttention(context, { ...inputs, output, logSumExp }, layout, params)
    return { output, logSumExp }
  }
  context.recorder.dispatch({
    kernel: attentionKernel,
    variant: headVariant("attention", attentionKernel, headSize, params.soft_cap > 0),
    tensors: [inputs.query, inputs.key, inputs.value, layout.ranges, output, logSumExp],
    params,
    workgroupCount: Math.ceil((queries * options.headCount) / 64),
  })
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
  const { queries, headSize, params } = headShape("attentionBackward", saved, layout, options)
  const { query, key, value, dOutput } = saved
  const rows = queries * options.headCount
  expectShape("attentionBackward", "dOutput", dOutput, query.shape)
  expectShape("attentionBackward", "output", saved.output, query.shape)
  expectShape("attentionBackward", "logSumExp", saved.logSumExp, [queries, options.headCount])
  return context.memory.withScope(() => {
    const dQuery = context.memory.allocate(query.shape, "f32", "attention.d_query")
    const dKey = context.memory.allocate(key.shape, "f32", "attention.d_key")
    const dValue = context.memory.allocate(value.shape, "f32", "attention.d_value")
    const statistics = context.memory.allocate([rows, 2], "f32", "attention.statistics")
    context.recorder.dispatch({
      kernel: attentionStatisticsKernel,
      variant: attentionStatisticsKernel.variants.only,
      tensors: [saved.output, dOutput, saved.logSumExp, statistics],
      params: { row_count: rows, head_packs: headSize / 4 },
      workgroupCount: Math.ceil(rows / 64),
    })
    const tensors = { query, key, value, dOutput, statistics, dQuery, dKey, dValue }
    if (canTileAttention(context, layout, params)) tiledAttentionBackward(context, tensors, layout, params)
    else portableBackward(context, tensors, layout, params)
    return { dQuery, dKey, dValue }
  })
}

function portableBackward(
  context: OpContext,
  tensors: AttentionBackwardTensors,
  { ranges, readers }: AttentionLayout,
  params: AttentionParams,
) {
  const { query, key, value, dOutput, statistics, dQuery, dKey, dValue } = tensors
  const headSize = 4 * params.head_packs
  context.recorder.dispatch({
    kernel: attentionBackwardQueryKernel,
    variant: headVariant("attentionBackward", attentionBackwardQueryKernel, headSize, params.soft_cap > 0),
    tensors: [query, key, value, dOutput, statistics, ranges, dQuery],
    params,
    workgroupCount: Math.ceil((params.query_count * params.head_count) / 64),
  })
  context.recorder.dispatch({
    kernel: attentionBackwardKeyKernel,
    variant: headVariant("attentionBackward", attentionBackwardKeyKernel, headSize, params.soft_cap > 0),
    tensors: [query, key, value, dOutput, statistics, readers, dKey, dValue],
    params,
    workgroupCount: Math.ceil((params.key_count * (params.head_count / params.group_size)) / 64),
  })
}
