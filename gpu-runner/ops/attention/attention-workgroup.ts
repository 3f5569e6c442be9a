// Attention for GPUs: tiles of 64 × 32 in workgroup memory, probabilities computed again in the backward pass, nothing stored that grows
// with the square of the length. Fits WebGPU's least limits (16 KiB of workgroup memory, 8 storage buffers). Called by attention.ts only.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { loadKernel } from "#gpu-runner/device/kernel.ts"
import { headVariants, softCapVariants } from "#gpu-runner/kernels/variants.ts"
import { headVariant } from "../choose-variant.ts"
import {
  type AttentionBackwardTensors,
  type AttentionForwardTensors,
  type AttentionParams,
  WORKGROUP_OWN_ROWS,
  type WorkgroupAttentionLists,
} from "./attention-lists.ts"

const attentionWorkgroupForwardKernel = loadKernel("attention_workgroup_forward", softCapVariants(headVariants()))
const attentionWorkgroupKeyGradientKernel = loadKernel(
  "attention_workgroup_key_gradient",
  softCapVariants(headVariants()),
)
const attentionWorkgroupQueryGradientKernel = loadKernel(
  "attention_workgroup_query_gradient",
  softCapVariants(headVariants()),
)

/** Channels whose sums a workgroup of the key gradient holds. */
const KEY_GRADIENT_CHANNELS = 128

/** Writes output and logSumExp. */
export function workgroupAttention(
  context: OpContext,
  { query, key, value, output, logSumExp }: AttentionForwardTensors,
  { ranges, keyTiles }: WorkgroupAttentionLists,
  params: AttentionParams,
): void {
  const kernel = attentionWorkgroupForwardKernel
  context.recorder.dispatch({
    kernel,
    variant: headVariant("attention", kernel, 4 * params.head_lane4s, params.soft_cap > 0),
    tensors: [query, key, value, ranges, keyTiles, output, logSumExp],
    params,
    workgroupCount: params.head_count * Math.ceil(params.query_count / WORKGROUP_OWN_ROWS),
  })
}

/** Writes dQuery, dKey and dValue. */
export function workgroupAttentionBackward(
  context: OpContext,
  { query, key, value, dOutput, statistics, dQuery, dKey, dValue }: AttentionBackwardTensors,
  { ranges, keyTiles, rangesAndQueryTiles }: WorkgroupAttentionLists,
  params: AttentionParams,
): void {
  const headSize = 4 * params.head_lane4s
  const isCapped = params.soft_cap > 0
  const ofQuery = attentionWorkgroupQueryGradientKernel
  const ofKey = attentionWorkgroupKeyGradientKernel
  const keySlices = Math.ceil(headSize / KEY_GRADIENT_CHANNELS)
  context.recorder.dispatch({
    kernel: ofQuery,
    variant: headVariant("attentionBackward", ofQuery, headSize, isCapped),
    tensors: [query, key, value, dOutput, statistics, ranges, keyTiles, dQuery],
    params,
    workgroupCount: params.head_count * Math.ceil(params.query_count / WORKGROUP_OWN_ROWS),
  })
  context.recorder.dispatch({
    kernel: ofKey,
    variant: headVariant("attentionBackward", ofKey, headSize, isCapped),
    tensors: [query, key, value, dOutput, statistics, rangesAndQueryTiles, dKey, dValue],
    params,
    workgroupCount:
      (params.head_count / params.group_size) * Math.ceil(params.key_count / WORKGROUP_OWN_ROWS) * keySlices,
  })
}
