// The decoder of every family: log-probs of the scored tokens of a packed micro-batch, and their gradients. Reads top to bottom; what
// the families differ in stands in DecoderConfig. A layer is its two blocks: attention-block.ts and mlp-block.ts.
// Source: transformers' modeling_llama.py, modeling_qwen2.py, modeling_qwen3.py, modeling_gemma2.py, modeling_gemma3.py.
// Shape letters: T tokens, R scored tokens, C hidden size, V vocabulary.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { axpy, scale, zeros } from "#gpu-runner/ops/elementwise/elementwise.ts"
import { differentiableLogProbHead, logProbHead, logProbHeadBackward } from "#gpu-runner/ops/head/log-prob-head.ts"
import type { F32Matrix } from "#gpu-runner/ops/matmul/matrix-ranges.ts"
import { expandRows } from "#gpu-runner/ops/matmul/quantised-weight.ts"
import { gatherRows, scaleRows, scatterAddRows } from "#gpu-runner/ops/rows/rows.ts"
import { type AdapterDropout, mixedSeed } from "./adapter-dropout.ts"
import { type AttentionActivations, attentionBlockBackward, attentionForward } from "./attention-block.ts"
import { type Decoder, type DecoderLayer, headOptions } from "./decoder-parameters.ts"
import { type MlpActivations, mlpBackward, mlpForward } from "./mlp-block.ts"
import { norm, normBackward } from "./norm.ts"
import type { PackedBatch, PredictingTokens } from "./packed-batch.ts"

export interface DecoderScores {
  /** [R], nats */
  readonly logProbs: Tensor
  /** [R], nats */
  readonly entropy: Tensor
  /** [R], log Σ p² of each row's distribution, nats; no gradient flows through it (WPO's weights). */
  readonly collision: Tensor
}

export interface LayerActivations {
  readonly attention: AttentionActivations
  readonly mlp: MlpActivations
}

/** A forward pass with everything its backward pass needs. Lives until the scope it was made in closes. */
export interface DecoderPass extends DecoderScores {
  /** Without activations where the backward pass computes them again from the layer's input (checkpointing). */
  readonly layers: readonly { readonly input: Tensor; readonly activations: LayerActivations | undefined }[]
  readonly dropout: AdapterDropout | undefined
  /** The shape of the last layer's result: [Q, C] where only Q tokens predict (packed-batch.ts), else [T, C]. */
  readonly resultShape: readonly number[]
  /** [R, C], the last layer's results that predict scored tokens. */
  readonly finalRows: Tensor
  readonly finalInverseRms: Tensor
  /** [R, C], the same after the final norm: what the head multiplies. */
  readonly hidden: Tensor
  readonly headLogSumExp: Tensor
  /** ∂logProb/∂hidden of each row [R, C], kept where the head is frozen: its logits need not be computed again. */
  readonly rowGradient: Tensor | undefined
}

/** The scores of hidden rows [R, C] that `hiddenDecoder` gave. */
export function scoreHidden(context: OpContext, model: Decoder, batch: PackedBatch, hidden: Tensor): DecoderScores {
  const scores = logProbHead(context, hidden, model.head.stored, batch.targets, headOptions(model))
  const { logProbs, entropy, collision } = scores
  return { logProbs, entropy, collision }
}

/**
 * What the head multiplies, [R, C]: the hidden states that predict scored tokens, after the final norm. No backward pass: activations are
 * recycled block by block.
 */
export function hiddenDecoder(context: OpContext, model: Decoder, batch: PackedBatch): Tensor {
  const { config } = model
  const dropout = dropoutOf(model, batch)
  return context.memory.withScope(() => {
    let rows = embedded(context, model, batch)
    const advance = (block: () => { readonly result: Tensor }) => {
      const next = context.memory.withScope(() => block().result)
      context.memory.release(rows)
      rows = next
    }
    for (const layer of model.layers) {
      const { attention, mlp } = layer
      const predicting = predictingIn(model, layer, batch)
      advance(() => attentionForward(context, config, attention, rows, batch, dropout, predicting))
      advance(() => mlpForward(context, config, mlp, rows, dropout))
    }
    return finalHidden(context, model, rows, batch).hidden
  })
}

export interface ForwardOptions {
  /** Keep each layer's input only; the backward pass computes the rest again, with the same bits. Costs a second forward pass. */
  readonly checkpointing?: boolean | undefined
}

/** Log-probs with their activations kept in the open scope. */
export function forwardDecoder(
  context: OpContext,
  model: Decoder,
  batch: PackedBatch,
  { checkpointing = false }: ForwardOptions = {},
): DecoderPass {
  const dropout = dropoutOf(model, batch)
  let rows = embedded(context, model, batch)
  const layers = model.layers.map((layer) => {
    const input = rows
    if (checkpointing) {
      rows = context.memory.withScope(() => layerForward(context, model, layer, input, batch, dropout).mlp.result)
      return { input, activations: undefined }
    }
    const activations = layerForward(context, model, layer, input, batch, dropout)
    rows = activations.mlp.result
    return { input, activations }
  })
  const head = context.recorder.withinPhase("head", () => headForward(context, model, rows, batch))
  return { ...head, resultShape: rows.shape, layers, dropout }
}

/** Above the last layer nothing asks for tokens that predict nothing. */
function predictingIn({ layers }: Decoder, layer: DecoderLayer, batch: PackedBatch): PredictingTokens | undefined {
  return layer === layers.at(-1) ? batch.predicting : undefined
}

/** One layer's activations in the open scope. */
function layerForward(
  context: OpContext,
  model: Decoder,
  layer: DecoderLayer,
  input: Tensor,
  batch: PackedBatch,
  dropout: AdapterDropout | undefined,
): LayerActivations {
  const { config } = model
  const predicting = predictingIn(model, layer, batch)
  const attention = context.memory.withScope(() =>
    attentionForward(context, config, layer.attention, input, batch, dropout, predicting),
  )
  const mlp = context.memory.withScope(() => mlpForward(context, config, layer.mlp, attention.result, dropout))
  return { attention, mlp }
}

/**
 * Adds the gradients of Σ dLogProbs[r] · logProbs[r] + Σ dHidden · hidden to the model's trained parameters. `dLogProbs` is f32 [R];
 * `dHidden` [R, C] is for losses that read the hidden rows themselves (TDPO's divergence).
 */
export function backwardDecoder(
  context: OpContext,
  model: Decoder,
  batch: PackedBatch,
  pass: DecoderPass,
  dLogProbs: Tensor,
  dHidden?: Tensor,
): void {
  const { config } = model
  context.memory.withScope(() => {
    const ofHead = () => headBackward(context, model, batch, pass, dLogProbs, dHidden)
    let dRows = context.recorder.withinPhase("head", ofHead)
    const scoped = (body: () => void) =>
      context.memory.withScope(() => {
        body()
        return undefined
      })
    for (let index = model.layers.length - 1; index >= 0; index--) {
      const layer = model.layers[index]!
      const { input, activations } = pass.layers[index]!
      const isNeeded = index > 0 || model.embedding.gradient !== undefined
      const dInput = context.memory.withScope(() => {
        const kept = activations ?? layerForward(context, model, layer, input, batch, pass.dropout)
        const predicting = predictingIn(model, layer, batch)
        scoped(() => mlpBackward(context, config, layer.mlp, kept.mlp, pass.dropout, dRows))
        return context.memory.withScope(() =>
          attentionBlockBackward(
            context,
            config,
            layer.attention,
            batch,
            kept.attention,
            pass.dropout,
            predicting,
            dRows,
            isNeeded,
          ),
        )
      })
      if (dInput) dRows = dInput
    }
    if (model.embedding.gradient) embeddedBackward(context, model, batch, dRows, model.embedding.gradient)
    return undefined
  })
}

function dropoutOf({ dropout }: Decoder, { contentSeed }: PackedBatch): AdapterDropout | undefined {
  return dropout && { rate: dropout.rate, seed: mixedSeed([dropout.seed, contentSeed]) }
}

/** [T, C] */
function embedded(context: OpContext, { config, embedding: table }: Decoder, batch: PackedBatch): Tensor {
  return context.memory.withScope(() => {
    const rows = expandRows(context, table.stored, batch.tokenIds)
    return config.embeddingScale === 1 ? rows : scale(context, rows, config.embeddingScale)
  })
}

function embeddedBackward(
  context: OpContext,
  { config }: Decoder,
  batch: PackedBatch,
  dRows: Tensor,
  dTable: F32Matrix,
): void {
  const d = config.embeddingScale === 1 ? dRows : scale(context, dRows, config.embeddingScale)
  scatterAddRows(context, batch.tokenGroups!, d, dTable)
}

/** The final norm runs on the predicting rows only: it is row-wise, and prompt rows are never scored. */
function finalHidden(context: OpContext, model: Decoder, rows: Tensor, batch: PackedBatch) {
  const finalRows = gatherRows(context, rows, batch.predictionRows)
  const { output, inverseRms } = norm(context, model.config, model.finalNorm, finalRows)
  return { finalRows, finalInverseRms: inverseRms, hidden: output }
}

function headForward(context: OpContext, model: Decoder, rows: Tensor, batch: PackedBatch) {
  const final = finalHidden(context, model, rows, batch)
  const head = model.head.gradient ? logProbHead : differentiableLogProbHead
  const scores = {
    rowGradient: undefined,
    ...head(context, final.hidden, model.head.stored, batch.targets, headOptions(model)),
  }
  const { logProbs, entropy, collision, logSumExp, rowGradient } = scores
  return { ...final, logProbs, entropy, collision, headLogSumExp: logSumExp, rowGradient }
}

/** The gradient of the last layer's result, [Q, C] or [T, C]. */
function headBackward(
  context: OpContext,
  model: Decoder,
  batch: PackedBatch,
  pass: DecoderPass,
  dLogProbs: Tensor,
  dHiddenMore: Tensor | undefined,
): Tensor {
  const { hidden, rowGradient, headLogSumExp: logSumExp } = pass
  const { config, head, finalNorm } = model
  const dHidden = rowGradient
    ? scaleRows(context, rowGradient, dLogProbs)
    : logProbHeadBackward(
        context,
        { hidden, weight: head.stored, targets: batch.targets, logSumExp, upstream: dLogProbs },
        { ...headOptions(model), dWeight: head.gradient },
      )
  if (dHiddenMore) axpy(context, 1, dHiddenMore, dHidden)
  const ofNorm = { input: pass.finalRows, inverseRms: pass.finalInverseRms, dOutput: dHidden }
  const dFinalRows = normBackward(context, config, finalNorm, ofNorm)
  const dRows = zeros(context, pass.resultShape, "decoder.d_rows")
  scatterAddRows(context, batch.predictionGroups!, dFinalRows, dRows)
  return dRows
}
