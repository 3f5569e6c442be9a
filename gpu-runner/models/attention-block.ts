// The attention half of a layer: norm, projections (and norms of q and k), rotation, attention over the layer's window, projection
// (and norm), residual. Forward beside backward.
// Shape letters: T tokens, Q of them as queries (all but in the last layer), C hidden size, H query heads, KV key-value heads, D head size.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { attention, attentionBackward } from "#gpu-runner/ops/attention/attention.ts"
import { add, zeros } from "#gpu-runner/ops/elementwise/elementwise.ts"
import { rope, ropeBackward } from "#gpu-runner/ops/rows/rope.ts"
import { gatherRows, scatterAddRows } from "#gpu-runner/ops/rows/rows.ts"
import type { DecoderConfig } from "#shared/formats/families/decoder-config.ts"
import type { AdapterDropout } from "./adapter-dropout.ts"
import { type Linear, linear, linearBackward, type Weight } from "./linear.ts"
import { headNorm, headNormBackward, norm, normBackward } from "./norm.ts"
import { layoutFor, type PackedBatch, type PredictingTokens } from "./packed-batch.ts"

export interface AttentionBlock {
  readonly norm: Weight
  readonly query: Linear
  readonly key: Linear
  readonly value: Linear
  readonly output: Linear
  /** [D], where the config has queryKeyNorm */
  readonly queryNorm: Weight | undefined
  readonly keyNorm: Weight | undefined
  /** where the config has postNorms */
  readonly postNorm: Weight | undefined
  readonly window: number | undefined
  /** [positions, D] */
  readonly ropeTable: Tensor
}

/** What the block keeps for its backward pass; undefined where the model has no such part. */
export type AttentionActivations = {
  /** [T, C] */
  readonly input: Tensor
  /** [T] */
  readonly inputInverseRms: Tensor
  /** [T, C] */
  readonly normedInput: Tensor
  /** [Q, C]: its rows that are queries */
  readonly queryInput: Tensor
  /** [Q, H·D], rotated */
  readonly query: Tensor
  /** [T, KV·D], rotated */
  readonly key: Tensor
  /** [T, KV·D] */
  readonly value: Tensor
  /** [Q, H·D] */
  readonly attended: Tensor
  /** [Q, H] */
  readonly logSumExp: Tensor
  /** [Q, C] */
  readonly result: Tensor
  /** [Q, H·D], before its norm */
  readonly plainQuery: Tensor | undefined
  /** [Q·H] */
  readonly queryInverseRms: Tensor | undefined
  /** [T, KV·D] */
  readonly plainKey: Tensor | undefined
  /** [T·KV] */
  readonly keyInverseRms: Tensor | undefined
  /** [Q, C], before the post norm */
  readonly output: Tensor | undefined
  /** [Q] */
  readonly outputInverseRms: Tensor | undefined
  /** [T, r] or [Q, r]: dropout(x) Aᵀ of the module's adapter */
  readonly ofQuery: Tensor | undefined
  readonly ofKey: Tensor | undefined
  readonly ofValue: Tensor | undefined
  readonly ofOutput: Tensor | undefined
}

/** input + postNorm(attention(norm(input))): [T, C], or with `predicting` the rows [Q, C] of these tokens alone. */
export function attentionForward(
  context: OpContext,
  config: DecoderConfig,
  block: AttentionBlock,
  input: Tensor,
  batch: PackedBatch,
  dropout: AdapterDropout | undefined,
  predicting: PredictingTokens | undefined,
): AttentionActivations {
  const ofQueries = (rows: Tensor) => (predicting ? gatherRows(context, rows, predicting.rows) : rows)
  const normed = norm(context, config, block.norm, input)
  const queryInput = ofQueries(normed.output)
  const plainQuery = linear(context, block.query, queryInput, dropout)
  const plainKey = linear(context, block.key, normed.output, dropout)
  const value = linear(context, block.value, normed.output, dropout)
  const normedQuery = block.queryNorm && headNorm(context, config, block.queryNorm, plainQuery.output)
  const normedKey = block.keyNorm && headNorm(context, config, block.keyNorm, plainKey.output)
  const queryPositions = (predicting ?? batch).positions
  const query = rope(context, (normedQuery ?? plainQuery).output, queryPositions, block.ropeTable)
  const key = rope(context, (normedKey ?? plainKey).output, batch.positions, block.ropeTable)
  const inputs = { query, key, value: value.output }
  const layout = predicting?.layout ?? layoutFor(batch, block.window)
  const attended = attention(context, inputs, layout, attentionOptions(config))
  const output = linear(context, block.output, attended.output, dropout)
  const postNormed = block.postNorm && norm(context, config, block.postNorm, output.output)
  return {
    input,
    inputInverseRms: normed.inverseRms,
    normedInput: normed.output,
    queryInput,
    plainQuery: normedQuery && plainQuery.output,
    queryInverseRms: normedQuery?.inverseRms,
    plainKey: normedKey && plainKey.output,
    keyInverseRms: normedKey?.inverseRms,
    ...inputs,
    attended: attended.output,
    logSumExp: attended.logSumExp,
    output: postNormed && output.output,
    outputInverseRms: postNormed?.inverseRms,
    result: add(context, ofQueries(input), (postNormed ?? output).output),
    ofQuery: plainQuery.projected,
    ofKey: plainKey.projected,
    ofValue: value.projected,
    ofOutput: output.projected,
  }
}

/**
 * The gradient of the block's input from `dRows` [Q, C], that of its result: [T, C], which is `dRows` itself, overwritten, where all
 * tokens are queries. Undefined where the input `isNeeded` no further.
 */
export function attentionBlockBackward(
  context: OpContext,
  config: DecoderConfig,
  block: AttentionBlock,
  batch: PackedBatch,
  kept: AttentionActivations,
  dropout: AdapterDropout | undefined,
  predicting: PredictingTokens | undefined,
  dRows: Tensor,
  isNeeded: boolean,
): Tensor | undefined {
  const d = attendedBackward(context, config, block, batch, kept, dropout, predicting, dRows)
  const dNormed = projectionsBackward(context, block, kept, dropout, predicting, d, isNeeded)
  if (!dNormed) return undefined
  const dInput = predicting ? zeros(context, kept.input.shape, "attention_block.d_input") : dRows
  if (predicting) scatterAddRows(context, predicting.groups, dRows, dInput)
  const ofNorm = { input: kept.input, inverseRms: kept.inputInverseRms, dOutput: dNormed }
  return normBackward(context, config, block.norm, ofNorm, dInput)
}

interface ProjectionGradients {
  /** [Q, H·D] */
  readonly dQuery: Tensor
  /** [T, KV·D] */
  readonly dKey: Tensor
  readonly dValue: Tensor
}

/** From the block's result back to what the three projections gave. */
function attendedBackward(
  context: OpContext,
  config: DecoderConfig,
  block: AttentionBlock,
  batch: PackedBatch,
  kept: AttentionActivations,
  dropout: AdapterDropout | undefined,
  predicting: PredictingTokens | undefined,
  dRows: Tensor,
): ProjectionGradients {
  const ofPostNorm = { input: kept.output!, inverseRms: kept.outputInverseRms!, dOutput: dRows }
  const dOutput = block.postNorm ? normBackward(context, config, block.postNorm, ofPostNorm) : dRows
  const ofOutput = { input: kept.attended, projected: kept.ofOutput, dOutput, dropout }
  const dAttended = linearBackward(context, block.output, ofOutput)!
  const saved = { ...kept, output: kept.attended, dOutput: dAttended }
  const layout = predicting?.layout ?? layoutFor(batch, block.window)
  const d = attentionBackward(context, saved, layout, attentionOptions(config))
  const dNormedQuery = ropeBackward(context, d.dQuery, (predicting ?? batch).positions, block.ropeTable)
  const dNormedKey = ropeBackward(context, d.dKey, batch.positions, block.ropeTable)
  const ofQueryNorm = { input: kept.plainQuery!, inverseRms: kept.queryInverseRms!, dOutput: dNormedQuery }
  const ofKeyNorm = { input: kept.plainKey!, inverseRms: kept.keyInverseRms!, dOutput: dNormedKey }
  return {
    dQuery: block.queryNorm ? headNormBackward(context, config, block.queryNorm, ofQueryNorm) : dNormedQuery,
    dKey: block.keyNorm ? headNormBackward(context, config, block.keyNorm, ofKeyNorm) : dNormedKey,
    dValue: d.dValue,
  }
}

/** Adds the projections' own gradients; the gradient of the normed input [T, C], if it `isNeeded`. */
function projectionsBackward(
  context: OpContext,
  block: AttentionBlock,
  kept: AttentionActivations,
  dropout: AdapterDropout | undefined,
  predicting: PredictingTokens | undefined,
  { dQuery, dKey, dValue }: ProjectionGradients,
  isNeeded: boolean,
): Tensor | undefined {
  const ofQuery = { input: kept.queryInput, dropout, projected: kept.ofQuery, dOutput: dQuery }
  const ofKey = { input: kept.normedInput, dropout, projected: kept.ofKey, dOutput: dKey }
  const ofValue = { input: kept.normedInput, dropout, projected: kept.ofValue, dOutput: dValue }
  const dQueryInput = linearBackward(context, block.query, ofQuery, isNeeded ? "new" : "unused")
  const isSame = dQueryInput && !predicting
  const dNormed = linearBackward(context, block.key, ofKey, isSame ? dQueryInput : isNeeded ? "new" : "unused")
  linearBackward(context, block.value, ofValue, dNormed ?? "unused")
  if (dNormed && predicting) scatterAddRows(context, predicting.groups, dQueryInput!, dNormed)
  return dNormed
}

function attentionOptions({ headCount, keyValueHeadCount, attentionScale, attentionSoftCap }: DecoderConfig) {
  return { headCount, keyValueHeadCount, scale: attentionScale, softCap: attentionSoftCap }
}
