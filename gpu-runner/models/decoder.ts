// The Llama decoder: log-probs of the scored tokens of a packed micro-batch, and their gradients. Reads top to bottom.
// Source: transformers' modeling_llama.py (pre-norm RMSNorm, half-rotation RoPE, grouped-query attention, SwiGLU).
// Shape letters: T tokens, R scored tokens, C hidden size, H query heads, KV key-value heads, D head size, F intermediate size, V vocabulary.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { attention, attentionBackward } from "#gpu-runner/ops/attention.ts"
import { add, zeros } from "#gpu-runner/ops/elementwise.ts"
import { embedding, embeddingBackward } from "#gpu-runner/ops/embedding.ts"
import { swiglu, swigluBackward } from "#gpu-runner/ops/gated-activation.ts"
import { differentiableLogProbHead, logProbHead, logProbHeadBackward } from "#gpu-runner/ops/log-prob-head.ts"
import { rmsNorm, rmsNormBackward } from "#gpu-runner/ops/rms-norm.ts"
import { rope, ropeBackward } from "#gpu-runner/ops/rope.ts"
import { gatherRows, scaleRows, scatterAddRows } from "#gpu-runner/ops/rows.ts"
import type { Decoder, DecoderLayer } from "./decoder-parameters.ts"
import { linear, linearBackward } from "./linear.ts"
import type { PackedBatch } from "./packed-batch.ts"

/** What a layer keeps for its backward pass. The low-rank projections are there where the layer has an adapter. */
type LayerActivations = Readonly<Record<(typeof ALWAYS_KEPT)[number], Tensor>> &
  Readonly<Partial<Record<(typeof PROJECTIONS)[number], Tensor | undefined>>>

const ALWAYS_KEPT = [
  "input", // [T, C]
  "inputInverseRms", // [T]
  "normedInput", // [T, C]
  "query", // [T, H·D], rotated
  "key", // [T, KV·D], rotated
  "value", // [T, KV·D]
  "attended", // [T, H·D]
  "logSumExp", // [T, H]
  "middle", // [T, C]
  "middleInverseRms", // [T]
  "normedMiddle", // [T, C]
  "gate", // [T, F]
  "up", // [T, F]
  "activated", // [T, F]
  "result", // [T, C]
] as const
const PROJECTIONS = ["ofQuery", "ofKey", "ofValue", "ofOutput", "ofGate", "ofUp", "ofDown"] as const

export interface DecoderScores {
  /** [R], nats */
  readonly logProbs: Tensor
  /** [R], nats */
  readonly entropy: Tensor
}

/** A forward pass with everything its backward pass needs. Lives until the scope it was made in closes. */
export interface DecoderPass extends DecoderScores {
  readonly layers: readonly LayerActivations[]
  readonly finalRows: Tensor
  readonly finalInverseRms: Tensor
  readonly hidden: Tensor
  readonly headLogSumExp: Tensor
  /** ∂logProb/∂hidden of each row [R, C], kept where the head is frozen: its logits need not be computed again. */
  readonly rowGradient: Tensor | undefined
}

/** Log-probs without a backward pass; activations are recycled layer by layer. */
export function scoreDecoder(context: OpContext, model: Decoder, batch: PackedBatch): DecoderScores {
  return context.memory.withScope(() => {
    let rows = embedding(context, model.embedding.value, batch.tokenIds)
    for (const layer of model.layers) {
      const next = context.memory.withScope(() => layerForward(context, model, layer, rows, batch).result)
      context.memory.release(rows)
      rows = next
    }
    const { hidden } = finalHidden(context, model, rows, batch)
    const { logProbs, entropy } = logProbHead(context, hidden, model.head.value, batch.targets)
    return { logProbs, entropy }
  })
}

/** Log-probs with their activations kept in the open scope. */
export function forwardDecoder(context: OpContext, model: Decoder, batch: PackedBatch): DecoderPass {
  let rows = embedding(context, model.embedding.value, batch.tokenIds)
  const layers = model.layers.map((layer) => {
    const input = rows
    const kept = context.memory.withScope(() => layerForward(context, model, layer, input, batch))
    rows = kept.result
    return kept
  })
  return { ...headForward(context, model, rows, batch), layers }
}

/** Adds the gradients of Σ dLogProbs[r] · logProbs[r] to the model's trained parameters; `dLogProbs` is f32 [R]. */
export function backwardDecoder(
  context: OpContext,
  model: Decoder,
  batch: PackedBatch,
  pass: DecoderPass,
  dLogProbs: Tensor,
): void {
  context.memory.withScope(() => {
    const dRows = headBackward(context, model, batch, pass, dLogProbs)
    for (let index = model.layers.length - 1; index >= 0; index--) {
      const needsInput = index > 0 || model.embedding.gradient !== undefined
      context.memory.withScope(() => {
        layerBackward(context, model, model.layers[index]!, batch, pass.layers[index]!, dRows, needsInput)
        return undefined
      })
    }
    if (model.embedding.gradient) embeddingBackward(context, batch.tokenGroups!, dRows, model.embedding.gradient)
    return undefined
  })
}

function layerForward(
  context: OpContext,
  model: Decoder,
  layer: DecoderLayer,
  input: Tensor,
  batch: PackedBatch,
): LayerActivations {
  const epsilon = model.config.rmsNormEpsilon
  const inputNorm = rmsNorm(context, input, layer.inputNorm.value, { epsilon })
  const plainQuery = linear(context, layer.query, inputNorm.output)
  const plainKey = linear(context, layer.key, inputNorm.output)
  const value = linear(context, layer.value, inputNorm.output)
  const query = rope(context, plainQuery.output, batch.positions, model.ropeTable)
  const key = rope(context, plainKey.output, batch.positions, model.ropeTable)
  const attended = attention(context, { query, key, value: value.output }, batch.layout, model.config)
  const output = linear(context, layer.output, attended.output)
  const middle = add(context, input, output.output)

  const middleNorm = rmsNorm(context, middle, layer.postAttentionNorm.value, { epsilon })
  const gate = linear(context, layer.gate, middleNorm.output)
  const up = linear(context, layer.up, middleNorm.output)
  const activated = swiglu(context, gate.output, up.output)
  const down = linear(context, layer.down, activated)
  return {
    input,
    inputInverseRms: inputNorm.inverseRms,
    normedInput: inputNorm.output,
    query,
    key,
    value: value.output,
    attended: attended.output,
    logSumExp: attended.logSumExp,
    middle,
    middleInverseRms: middleNorm.inverseRms,
    normedMiddle: middleNorm.output,
    gate: gate.output,
    up: up.output,
    activated,
    result: add(context, middle, down.output),
    ofQuery: plainQuery.projected,
    ofKey: plainKey.projected,
    ofValue: value.projected,
    ofOutput: output.projected,
    ofGate: gate.projected,
    ofUp: up.projected,
    ofDown: down.projected,
  }
}

/** `dRows` [T, C] is the gradient of the layer's result when called, and of its input afterwards (if `needsInput`). */
function layerBackward(
  context: OpContext,
  model: Decoder,
  layer: DecoderLayer,
  batch: PackedBatch,
  kept: LayerActivations,
  dRows: Tensor,
  needsInput: boolean,
): void {
  const dActivated = linearBackward(context, layer.down, {
    input: kept.activated,
    projected: kept.ofDown,
    dOutput: dRows,
  })!
  const { dGate, dUp } = swigluBackward(context, kept.gate, kept.up, dActivated)
  const ofMiddle = { input: kept.normedMiddle }
  const dNormedMiddle = linearBackward(context, layer.gate, { ...ofMiddle, projected: kept.ofGate, dOutput: dGate })!
  linearBackward(context, layer.up, { ...ofMiddle, projected: kept.ofUp, dOutput: dUp }, dNormedMiddle)
  rmsNormBackward(
    context,
    {
      input: kept.middle,
      weight: layer.postAttentionNorm.value,
      inverseRms: kept.middleInverseRms,
      dOutput: dNormedMiddle,
    },
    { dWeight: layer.postAttentionNorm.gradient, dInput: dRows },
  )

  const dAttended = linearBackward(context, layer.output, {
    input: kept.attended,
    projected: kept.ofOutput,
    dOutput: dRows,
  })!
  const { query, key, value, logSumExp } = kept
  const dAttention = attentionBackward(
    context,
    { query, key, value, output: kept.attended, logSumExp, dOutput: dAttended },
    batch.layout,
    model.config,
  )
  const dQuery = ropeBackward(context, dAttention.dQuery, batch.positions, model.ropeTable)
  const dKey = ropeBackward(context, dAttention.dKey, batch.positions, model.ropeTable)
  const ofInput = { input: kept.normedInput }
  const into = needsInput ? "new" : "unused"
  const dNormedInput = linearBackward(
    context,
    layer.query,
    { ...ofInput, projected: kept.ofQuery, dOutput: dQuery },
    into,
  )
  const more = dNormedInput ?? "unused"
  linearBackward(context, layer.key, { ...ofInput, projected: kept.ofKey, dOutput: dKey }, more)
  linearBackward(context, layer.value, { ...ofInput, projected: kept.ofValue, dOutput: dAttention.dValue }, more)
  if (!dNormedInput) return
  rmsNormBackward(
    context,
    { input: kept.input, weight: layer.inputNorm.value, inverseRms: kept.inputInverseRms, dOutput: dNormedInput },
    { dWeight: layer.inputNorm.gradient, dInput: dRows },
  )
}

/** The final norm runs on the predicting rows only: it is row-wise, and prompt rows are never scored. */
function finalHidden(context: OpContext, model: Decoder, rows: Tensor, batch: PackedBatch) {
  const finalRows = gatherRows(context, rows, batch.predictionRows)
  const norm = rmsNorm(context, finalRows, model.finalNorm.value, { epsilon: model.config.rmsNormEpsilon })
  return { finalRows, finalInverseRms: norm.inverseRms, hidden: norm.output }
}

function headForward(context: OpContext, model: Decoder, rows: Tensor, batch: PackedBatch) {
  const final = finalHidden(context, model, rows, batch)
  const { value, gradient } = model.head
  const scores = gradient
    ? { ...logProbHead(context, final.hidden, value, batch.targets), rowGradient: undefined }
    : differentiableLogProbHead(context, final.hidden, value, batch.targets)
  const { logProbs, entropy, logSumExp, rowGradient } = scores
  return { ...final, logProbs, entropy, headLogSumExp: logSumExp, rowGradient }
}

/** The gradient of the last layer's result, [T, C]. */
function headBackward(context: OpContext, model: Decoder, batch: PackedBatch, pass: DecoderPass, dLogProbs: Tensor) {
  const { hidden, rowGradient, headLogSumExp: logSumExp } = pass
  const dHidden = rowGradient
    ? scaleRows(context, rowGradient, dLogProbs)
    : logProbHeadBackward(
        context,
        { hidden, weight: model.head.value, targets: batch.targets, logSumExp, upstream: dLogProbs },
        { dWeight: model.head.gradient },
      )
  const dFinalRows = rmsNormBackward(
    context,
    { input: pass.finalRows, weight: model.finalNorm.value, inverseRms: pass.finalInverseRms, dOutput: dHidden },
    { dWeight: model.finalNorm.gradient },
  )
  const dRows = zeros(context, pass.layers[0]!.input.shape, "llama.d_rows")
  scatterAddRows(context, batch.predictionGroups!, dFinalRows, dRows)
  return dRows
}
