// The laid-out rows of one micro-batch on the device: ids, positions, who sees whom, and which rows predict which tokens.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { MemoryMisuse } from "#gpu-runner/device/errors.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { uploaded } from "#gpu-runner/device/transfer.ts"
import { attentionLayout, type PairLengths } from "#gpu-runner/ops/attention/attention-layout.ts"
import { type AttentionLayout, uploadAttentionLayout } from "#gpu-runner/ops/attention/attention-lists.ts"
import { type Segments, uploadSegments } from "#gpu-runner/ops/matmul/row-products.ts"
import { groupRows, type RowGroups } from "#gpu-runner/ops/rows/rows.ts"
import type { DecoderConfig } from "#shared/formats/families/decoder-config.ts"
import { mixedSeed } from "./adapter-dropout.ts"
import type { Matrix } from "./frozen-weight.ts"
import type { LaidOutRows } from "./laid-out-rows.ts"

/**
 * The tokens that predict something, Q of T, in order. The last layer computes the others' keys and values and nothing else of them:
 * neither query, attention, projection nor MLP, in neither direction.
 */
export interface PredictingTokens {
  /** u32 [Q] */
  readonly rows: Tensor
  /** u32 [Q] */
  readonly positions: Tensor
  /** From [Q, …] back to [T, …] */
  readonly groups: RowGroups
  /** Their attention in the last layer. */
  readonly layout: AttentionLayout
}

export interface LaidOutBatch {
  readonly tokenCount: number
  readonly tokenIds: Tensor
  readonly positions: Tensor
  /** By sliding window, one for each that the model's layers have; undefined is full attention. See layoutFor. */
  readonly layouts: ReadonlyMap<number | undefined, AttentionLayout>
  /** Undefined where nearly all tokens predict: then the last layer computes all rows like every other. */
  readonly predicting: PredictingTokens | undefined
  /** Rows of the last layer's result, [Q, C] or [T, C], that predict the targets. */
  readonly predictionRows: Tensor
  readonly targets: Tensor
  /** u32 of the token ids: a micro-batch's dropout masks are its own, wherever in its step it stands. */
  readonly contentSeed: number
  /** Present for backward passes. */
  readonly predictionGroups: RowGroups | undefined
  /** Present when the embedding is trained. */
  readonly tokenGroups: RowGroups | undefined
  /** The tokens of each row, among all and among the predicting ones; present where rows keep gradients of their own. */
  readonly segments: { readonly tokens: Segments; readonly predicting: Segments } | undefined
}

/** Uploads a micro-batch for a model into the open scope. */
export function uploadBatch(
  context: OpContext,
  model: { readonly config: DecoderConfig; readonly embedding: Matrix },
  tokens: LaidOutRows,
  needs: { readonly backward: boolean; readonly rowGradients?: boolean | undefined },
): LaidOutBatch {
  const vector = (values: Uint32Array, label: string) => uploaded(context, values, [values.length], label)
  const trainsEmbedding = model.embedding.gradient !== undefined
  const { positions } = attentionLayout(tokens.rows)
  const { predicting, predictionRows } = predictingTokens(tokens)
  return {
    tokenCount: tokens.tokenIds.length,
    tokenIds: vector(tokens.tokenIds, "batch.token_ids"),
    positions: vector(positions, "batch.positions"),
    layouts: uploadLayouts(context, model.config, tokens.rows),
    predicting: predicting && {
      rows: vector(predicting, "batch.predicting"),
      positions: vector(
        predicting.map((row) => positions[row]!),
        "batch.predicting_positions",
      ),
      groups: groupRows(context, predicting, "batch.predicting_groups"),
      layout: uploadAttentionLayout(context, lastLayerLayout(model.config, tokens.rows, predicting)),
    },
    predictionRows: vector(predictionRows, "batch.prediction_rows"),
    targets: vector(tokens.targets, "batch.targets"),
    contentSeed: mixedSeed(tokens.tokenIds),
    predictionGroups: needs.backward ? groupRows(context, predictionRows, "batch.prediction_groups") : undefined,
    tokenGroups:
      needs.backward && trainsEmbedding ? groupRows(context, tokens.tokenIds, "batch.token_groups") : undefined,
    segments: needs.rowGradients ? uploadSegmentsOf(context, tokens.rows, predicting) : undefined,
  }
}

/** Beyond this share of predicting tokens, gathering their rows costs more than the others' work would. */
const MOST_PREDICTING = 0.9

/** The distinct predicting tokens in order, and which of them predicts each target; or no list, and the tokens themselves. */
function predictingTokens({ tokenIds, predictionRows }: LaidOutRows) {
  const predicting = Uint32Array.from(new Set(predictionRows)).sort()
  if (predicting.length > MOST_PREDICTING * tokenIds.length) return { predicting: undefined, predictionRows }
  const placeOf = new Map<number, number>()
  predicting.forEach((row, place) => {
    placeOf.set(row, place)
  })
  return { predicting, predictionRows: predictionRows.map((row) => placeOf.get(row)!) }
}

function uploadSegmentsOf(context: OpContext, rows: readonly PairLengths[], predicting: Uint32Array | undefined) {
  const lengths = rows.map((row) => row.promptLength + row.chosenLength + row.rejectedLength)
  const tokens = uploadSegments(context, lengths, "batch.segments")
  if (!predicting) return { tokens, predicting: tokens }
  let [end, place] = [0, 0]
  const counts = lengths.map((length) => {
    end += length
    const first = place
    while (place < predicting.length && predicting[place]! < end) place++
    return place - first
  })
  return { tokens, predicting: uploadSegments(context, counts, "batch.predicting_segments") }
}

/** One layout for each window that the layers have. */
function uploadLayouts(context: OpContext, config: DecoderConfig, rows: readonly PairLengths[]) {
  const distinct = new Map<number | undefined, AttentionLayout>()
  const layouts = new Map<number | undefined, AttentionLayout>()
  for (const { window } of config.layers) {
    if (layouts.has(window)) continue
    const reached = reachedWindow(window, rows)
    const layout = distinct.get(reached) ?? uploadAttentionLayout(context, attentionLayout(rows, { window: reached }))
    distinct.set(reached, layout)
    layouts.set(window, layout)
  }
  return layouts
}

function lastLayerLayout({ layers }: DecoderConfig, rows: readonly PairLengths[], queries: Uint32Array) {
  return attentionLayout(rows, { window: reachedWindow(layers.at(-1)?.window, rows), queries })
}

/** A window that no row of the batch reaches is full attention, and shares its layout. */
function reachedWindow(window: number | undefined, rows: readonly PairLengths[]): number | undefined {
  const longest = rows.reduce(
    (most, { promptLength, chosenLength, rejectedLength }) =>
      Math.max(most, promptLength + Math.max(chosenLength, rejectedLength)),
    0,
  )
  return window !== undefined && window < longest ? window : undefined
}

/** The layout of layers with a window. A batch that was uploaded for another model is a MemoryMisuse. */
export function layoutFor(batch: LaidOutBatch, window: number | undefined): AttentionLayout {
  const layout = batch.layouts.get(window)
  if (layout) return layout
  throw new MemoryMisuse(`the batch has no layout for a window of ${window}; upload it for this model`)
}
