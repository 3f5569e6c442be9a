// Attention by the reference kernels: one invocation a row and head, which run on every adapter. Called by attention.ts only.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { loadKernel } from "#gpu-runner/device/kernel.ts"
import { headVariants, softCapVariants } from "#gpu-runner/kernels/variants.ts"
import { headVariant } from "../choose-variant.ts"
import type {
  AttentionBackwardTensors,
  AttentionForwardTensors,
  AttentionParams,
  PortableAttentionLists,
} from "./attention-lists.ts"

const attentionKernel = loadKernel("attention", softCapVariants(headVariants()))
const attentionBackwardKeyKernel = loadKernel("attention_backward_key", softCapVariants(headVariants()))
const attentionBackwardQueryKernel = loadKernel("attention_backward_query", softCapVariants(headVariants()))

/** Writes output and logSumExp. */
export function portableAttention(
  context: OpContext,
  { query, key, value, output, logSumExp }: AttentionForwardTensors,
  { ranges }: PortableAttentionLists,
  params: AttentionParams,
): void {
  context.recorder.dispatch({
    kernel: attentionKernel,
    variant: headVariant("attention", attentionKernel, 4 * params.head_lane4s, params.soft_cap > 0),
    tensors: [query, key, value, ranges, output, logSumExp],
    params,
    workgroupCount: Math.ceil((params.query_count * params.head_count) / 64),
  })
}

/** Writes dQuery, dKey and dValue. */
export function portableAttentionBackward(
  context: OpContext,
  { query, key, value, dOutput, statistics, dQuery, dKey, dValue }: AttentionBackwardTensors,
  { ranges, rangesAndReaders }: PortableAttentionLists,
  params: AttentionParams,
): void {
  const headSize = 4 * params.head_lane4s
  const isCapped = params.soft_cap > 0
  context.recorder.dispatch({
    kernel: attentionBackwardQueryKernel,
    variant: headVariant("attentionBackward", attentionBackwardQueryKernel, headSize, isCapped),
    tensors: [query, key, value, dOutput, statistics, ranges, dQuery],
    params,
    workgroupCount: Math.ceil((params.query_count * params.head_count) / 64),
  })
  context.recorder.dispatch({
    kernel: attentionBackwardKeyKernel,
    variant: headVariant("attentionBackward", attentionBackwardKeyKernel, headSize, isCapped),
    tensors: [query, key, value, dOutput, statistics, rangesAndReaders, dKey, dValue],
    params,
    workgroupCount: Math.ceil((params.key_count * (params.head_count / params.group_size)) / 64),
  })
}
