// The decoder of every family: log-probs of the scored tokens of a micro-batch, and their gradients. Reads top to bottom, each part's
// way back beside it; what the families differ in stands in DecoderConfig. A layer is its two blocks: attention-block.ts and mlp-block.ts.
// Source: transformers' modeling_llama.py, modeling_qwen2.py, modeling_qwen3.py, modeling_gemma2.py, modeling_gemma3.py.
// Shape letters: T tokens, R scored tokens, C hidden size, V vocabulary.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { axpy, scale, zeros } from "#gpu-runner/ops/elementwise/elementwise.ts"
import { differentiableLogProbHead, logProbHead, logProbHeadBackward } from "#gpu-runner/ops/head/log-prob-head.ts"
import type { F32Matrix } from "#gpu-runner/ops/matmul/matrix-ranges.ts"
import { expandRows } from "#gpu-runner/ops/matmul/quantised-weight.ts"
import { gatherRows, scaleRows, scatterAddRows } from "#gpu-runner/ops/rows/rows.ts"
import { type AttentionActivations, attentionBlockBackward, attentionBlockForward } from "./attention-block.ts"
import { type Decoder, type DecoderLayer, headOptions } from "./decoder-parameters.ts"
import type { LaidOutBatch } from "./laid-out-batch.ts"
import type { GenerationPass, LayerPass } from "./layer-pass.ts"
import { type MlpActivations, mlpBlockBackward, mlpBlockForward } from "./mlp-block.ts"
import { norm, normBackward } from "./norm.ts"

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

/** A layer of a forward pass; without activations where its backward pass computes them again from its input (checkpointing). */
interface KeptLayer {
  readonly input: Tensor
  readonly activations: LayerActivations | undefined
}

/** A forward pass with everything its backward pass needs. Lives until the scope it was made in closes. */
export interface DecoderPass extends DecoderScores {
  readonly layers: readonly KeptLayer[]
  /** The shape of the last layer's result: [Q, C] where only Q tokens predict (laid-out-batch.ts), else [T, C]. */
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

export interface ForwardOptions {
  /** Keep each layer's input only; the backward pass computes the rest again, with the same bits. Costs a second forward pass. */
  readonly checkpointing?: boolean | undefined
}

/** Log-probs with their activations kept in the open scope. */
export function forwardDecoder(
  context: OpContext,
  model: Decoder,
  batch: LaidOutBatch,
  { checkpointing = false }: ForwardOptions = {},
): DecoderPass {
  const passOf = layerPasses(context, model, batch)
  let rows = embedded(context, model, batch)
  const layers = model.layers.map((layer) => {
    const input = rows
    const pass = passOf(layer)
    if (checkpointing) {
      rows = context.memory.withScope(() => layerForward(pass, layer, input).mlp.result)
      return { input, activations: undefined }
    }
    const activations = layerForward(pass, layer, input)
    rows = activations.mlp.result
    return { input, activations }
  })
  const head = context.recorder.withinPhase("head", () => headForward(context, model, rows, batch))
  return { ...head, resultShape: rows.shape, layers }
}

/**
 * Adds the gradients of Σ dLogProbs[r] · logProbs[r] + Σ dHidden · hidden to the model's trained parameters. `dLogProbs` is f32 [R];
 * `dHidden` [R, C] is for losses that read the hidden rows themselves (TDPO's divergence). The model drops what it dropped forward.
 */
export function backwardDecoder(
  context: OpContext,
  model: Decoder,
  batch: LaidOutBatch,
  pass: DecoderPass,
  dLogProbs: Tensor,
  dHidden?: Tensor,
): void {
  const passOf = layerPasses(context, model, batch)
  context.memory.withScope(() => {
    const ofHead = () => headBackward(context, model, batch, pass, dLogProbs, dHidden)
    let dRows = context.recorder.withinPhase("head", ofHead)
    for (let index = model.layers.length - 1; index >= 0; index--) {
      const layer = model.layers[index]!
      const isNeeded = index > 0 || model.embedding.gradient !== undefined
      const ofLayer = () => layerBackward(passOf(layer), layer, pass.layers[index]!, dRows, { isNeeded })
      dRows = context.memory.withScope(ofLayer) ?? dRows
    }
    if (model.embedding.gradient) embeddedBackward(context, model, batch, dRows, model.embedding.gradient)
    return undefined
  })
}

/**
 * What the head multiplies, [R, C]: the hidden states that predict scored tokens, after the final norm. No backward pass: activations are
 * recycled block by block. A pass that generates says for each layer what it does otherwise.
 */
export function hiddenDecoder(
  context: OpContext,
  model: Decoder,
  batch: LaidOutBatch,
  generationOf?: (layer: number) => GenerationPass,
): Tensor {
  const passOf = layerPasses(context, model, batch, generationOf)
  return context.memory.withScope(() => {
    let rows = embedded(context, model, batch)
    const advance = (block: () => { readonly result: Tensor }) => {
      const next = context.memory.withScope(() => block().result)
      // A pass that generates adds to the rows in place.
      if (next !== rows) context.memory.release(rows)
      rows = next
    }
    for (const layer of model.layers) {
      const pass = passOf(layer)
      advance(() => attentionBlockForward(pass, layer.attention, rows))
      advance(() => mlpBlockForward(pass, layer.mlp, rows))
    }
    return finalHidden(context, model, rows, batch).hidden
  })
}

/** The scores of hidden rows [R, C] that `hiddenDecoder` gave. */
export function scoreHidden(context: OpContext, model: Decoder, batch: LaidOutBatch, hidden: Tensor): DecoderScores {
  const scores = logProbHead(context, hidden, model.head.stored, batch.targets, headOptions(model))
  const { logProbs, entropy, collision } = scores
  return { logProbs, entropy, collision }
}

/** What each layer computes with. Above the last one nothing asks for tokens that predict nothing. */
function layerPasses(
  context: OpContext,
  { config, layers, dropout }: Decoder,
  batch: LaidOutBatch,
  generationOf?: (layer: number) => GenerationPass,
) {
  return (layer: DecoderLayer): LayerPass => {
    const predicting = layer === layers.at(-1) ? batch.predicting : undefined
    const generation = generationOf?.(layers.indexOf(layer))
    return { context, config, batch, dropout, predicting, generation }
  }
}

/** [T, C] */
function embedded(context: OpContext, { config, embedding: table }: Decoder, batch: LaidOutBatch): Tensor {
  return context.memory.withScope(() => {
    const rows = expandRows(context, table.stored, batch.tokenIds)
    return config.embeddingScale === 1 ? rows : scale(context, rows, config.embeddingScale)
  })
}

function embeddedBackward(
  context: OpContext,
  { config }: Decoder,
  batch: LaidOutBatch,
  dRows: Tensor,
  dTable: F32Matrix,
): void {
  const d = config.embeddingScale === 1 ? dRows : scale(context, dRows, config.embeddingScale)
  scatterAddRows(context, batch.tokenGroups!, d, dTable)
}

/** One layer's activations in the open scope. */
function layerForward(pass: LayerPass, layer: DecoderLayer, input: Tensor): LayerActivations {
  const { memory } = pass.context
  const attention = memory.withScope(() => attentionBlockForward(pass, layer.attention, input))
  const mlp = memory.withScope(() => mlpBlockForward(pass, layer.mlp, attention.result))
  return { attention, mlp }
}

/** The gradient of the layer's input from that of its result, `dRows`, which is overwritten; undefined where it `isNeeded` no further. */
function layerBackward(
  pass: LayerPass,
  layer: DecoderLayer,
  { input, activations }: KeptLayer,
  dRows: Tensor,
  needs: { readonly isNeeded: boolean },
): Tensor | undefined {
  const { memory } = pass.context
  const kept = activations ?? layerForward(pass, layer, input)
  memory.withScope(() => {
    mlpBlockBackward(pass, layer.mlp, kept.mlp, dRows)
    return undefined
  })
  return memory.withScope(() => attentionBlockBackward(pass, layer.attention, kept.attention, dRows, needs))
}

/** The final norm runs on the predicting rows only: it is row-wise, and prompt rows are never scored. */
function finalHidden(context: OpContext, model: Decoder, rows: Tensor, batch: LaidOutBatch) {
  const finalRows = gatherRows(context, rows, batch.predictionRows)
  const { output, inverseRms } = norm({ context, config: model.config }, model.finalNorm, finalRows)
  return { finalRows, finalInverseRms: inverseRms, hidden: output }
}

function headForward(context: OpContext, model: Decoder, rows: Tensor, batch: LaidOutBatch) {
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
  batch: LaidOutBatch,
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
  const dFinalRows = normBackward({ context, config }, finalNorm, ofNorm)
  const dRows = zeros(context, pass.resultShape, "decoder.d_rows")
  scatterAddRows(context, batch.predictionGroups!, dFinalRows, dRows)
  return dRows
}
