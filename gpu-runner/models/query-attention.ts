// A layer's attention, over all tokens as queries or, in the last layer, over those that predict something.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import {
  type AttentionGradients,
  type AttentionInputs,
  type AttentionResult,
  attention,
  attentionBackward,
} from "#gpu-runner/ops/attention.ts"
import { zeros } from "#gpu-runner/ops/elementwise.ts"
import { gatherRows, scatterAddRows } from "#gpu-runner/ops/rows.ts"
import type { DecoderConfig } from "#shared/formats/decoder-config.ts"
import { layoutFor, type PackedBatch, type PredictingTokens } from "./packed-batch.ts"

/** Attention of queries [Q, H·D] over keys and values [T, KV·D]. */
export function queryAttention(
  context: OpContext,
  config: DecoderConfig,
  { query, key, value }: AttentionInputs,
  batch: PackedBatch,
  window: number | undefined,
  predicting: PredictingTokens | undefined,
): AttentionResult {
  const layout = layoutFor(batch, window)
  const options = attentionOptions(config)
  if (!predicting) return attention(context, { query, key, value }, layout, options)
  return context.memory.withScope(() => {
    const all = attention(context, { query: spread(context, batch, predicting, query), key, value }, layout, options)
    return {
      output: gatherRows(context, all.output, predicting.rows),
      logSumExp: gatherRows(context, all.logSumExp, predicting.rows),
    }
  })
}

/** dQuery [Q, H·D], dKey and dValue [T, KV·D]. */
export function queryAttentionBackward(
  context: OpContext,
  config: DecoderConfig,
  saved: AttentionInputs & AttentionResult & { readonly dOutput: Tensor },
  batch: PackedBatch,
  window: number | undefined,
  predicting: PredictingTokens | undefined,
): AttentionGradients {
  const layout = layoutFor(batch, window)
  const options = attentionOptions(config)
  if (!predicting) return attentionBackward(context, saved, layout, options)
  return context.memory.withScope(() => {
    const ofAll = (rows: Tensor) => spread(context, batch, predicting, rows)
    const { query, key, value, output, logSumExp, dOutput } = saved
    const queries = { query: ofAll(query), output: ofAll(output), logSumExp: ofAll(logSumExp), dOutput: ofAll(dOutput) }
    const d = attentionBackward(context, { ...queries, key, value }, layout, options)
    return { ...d, dQuery: gatherRows(context, d.dQuery, predicting.rows) }
  })
}

/** Rows [Q, …] at their tokens of [T, …], zero elsewhere. */
function spread(context: OpContext, batch: PackedBatch, { groups }: PredictingTokens, rows: Tensor): Tensor {
  const all = zeros(context, [batch.tokenCount, rows.shape[1]!], "query_attention.all")
  scatterAddRows(context, groups, rows, all)
  return all
}

function attentionOptions({ headCount, keyValueHeadCount, attentionScale, attentionSoftCap }: DecoderConfig) {
  return { headCount, keyValueHeadCount, scale: attentionScale, softCap: attentionSoftCap }
}
