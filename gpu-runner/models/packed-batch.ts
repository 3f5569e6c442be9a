// The tokens of one micro-batch on the device: ids, positions, who sees whom, and which rows predict which tokens.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { uploaded } from "#gpu-runner/device/transfer.ts"
import {
  type AttentionLayout,
  attentionLayout,
  type PairLengths,
  uploadAttentionLayout,
} from "#gpu-runner/ops/attention-layout.ts"
import { groupRows, type RowGroups } from "#gpu-runner/ops/rows.ts"

/** A micro-batch on the host: rows `[prompt | chosen | rejected]` back to back, without padding. */
export interface PackedTokens {
  /** u32 [T] */
  readonly tokenIds: Uint32Array
  readonly rows: readonly PairLengths[]
  /** u32 [R]: the token whose hidden state predicts each scored token; the last prompt token serves both responses. */
  readonly predictionRows: Uint32Array
  /** u32 [R]: the scored token ids, row by row, chosen before rejected. */
  readonly targets: Uint32Array
}

export interface PackedBatch {
  readonly tokenIds: Tensor
  readonly positions: Tensor
  readonly layout: AttentionLayout
  readonly predictionRows: Tensor
  readonly targets: Tensor
  /** Present for backward passes. */
  readonly predictionGroups: RowGroups | undefined
  /** Present when the embedding is trained. */
  readonly tokenGroups: RowGroups | undefined
}

/** Uploads a micro-batch into the open scope. */
export function uploadBatch(
  context: OpContext,
  tokens: PackedTokens,
  needs: { readonly backward: boolean; readonly embeddingGradient: boolean },
): PackedBatch {
  const layout = attentionLayout(tokens.rows)
  const vector = (values: Uint32Array, label: string) => uploaded(context, values, [values.length], label)
  return {
    tokenIds: vector(tokens.tokenIds, "batch.token_ids"),
    positions: vector(layout.positions, "batch.positions"),
    layout: uploadAttentionLayout(context, layout),
    predictionRows: vector(tokens.predictionRows, "batch.prediction_rows"),
    targets: vector(tokens.targets, "batch.targets"),
    predictionGroups: needs.backward ? groupRows(context, tokens.predictionRows, "batch.prediction_groups") : undefined,
    tokenGroups:
      needs.backward && needs.embeddingGradient ? groupRows(context, tokens.tokenIds, "batch.token_groups") : undefined,
  }
}
