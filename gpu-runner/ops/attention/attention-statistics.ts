// What the backward pass needs of every query row and head, besides what the forward pass kept.

import type { OpContext } from "#gpu-runner/device/context.ts"
import { loadKernel } from "#gpu-runner/device/kernel.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import type { AttentionBackwardTensors, AttentionParams } from "./attention-params.ts"

const attentionStatisticsKernel = loadKernel("attention_statistics")

/** Writes [Q · H, 2], log-sum-exp and dOutput · output, to the beginning of `statistics`. */
export function attentionStatistics(
  context: OpContext,
  { output, dOutput, logSumExp }: AttentionBackwardTensors,
  statistics: Tensor,
  { query_count, head_count, head_lane4s }: AttentionParams,
): void {
  const rows = query_count * head_count
  context.recorder.dispatch({
    kernel: attentionStatisticsKernel,
    variant: attentionStatisticsKernel.variants.only,
    tensors: [output, dOutput, logSumExp, statistics],
    params: { row_count: rows, head_lane4s },
    workgroupCount: Math.ceil(rows / 64),
  })
}
