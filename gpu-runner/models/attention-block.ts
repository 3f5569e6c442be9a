// The attention half of a layer: norm, projections (and norms of q and k), rotation, attention over the layer's window, projection
// (and norm), residual. Forward beside backward.
// Shape letters: T tokens, C hidden size, H query heads, KV key-value heads, D head size.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { attention, attentionBackward } from "#gpu-runner/ops/attention.ts"
import { add } from "#gpu-runner/ops/elementwise.ts"
import { rope, ropeBackward } from "#gpu-runner/ops/rope.ts"
import type { DecoderConfig } from "#shared/formats/decoder-config.ts"
import type { AdapterDropout } from "./adapter-dropout.ts"
import { type Linear, linear, linearBackward, type Weight } from "./linear.ts"
import { headNorm, headNormBackward, norm, normBackward } from "./norm.ts"
import { layoutFor, type PackedBatch } from "./packed-batch.ts"

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
  /** [T, H·D], rotated */
  readonly query: Tensor
  /** [T, KV·D], rotated */
  readonly key: Tensor
  /** [T, KV·D] */
  readonly value: Tensor
  /** [T, H·D] */
  readonly attended: Tensor
  /** [T, H] */
  readonly logSumExp: Tensor
  /** [T, C] */
  readonly result: Tensor
  /** [T, H·D], before its norm */
  readonly plainQuery: Tensor | undefined
  /** [T·H] */
  readonly queryInverseRms: Tensor | undefined
  /** [T, KV·D] */
  readonly plainKey: Tensor | undefined
  /** [T·KV] */
  readonly keyInverseRms: Tensor | undefined
  /** [T, C], before the post norm */
  readonly output: Tensor | undefined
  /** [T] */
  readonly outputInverseRms: Tensor | undefined
  /** [T, r]: dropout(x) Aᵀ of the module's adapter */
  readonly ofQuery: Tensor | undefined
  readonly ofKey: Tensor | undefined
  readonly ofValue: Tensor | undefined
  readonly ofOutput: Tensor | undefined
}

/** input + postNorm(attention(norm(input))), all [T, C]. */
export function attentionForward(
  context: OpContext,
  config: DecoderConfig,
  block: AttentionBlock,
  input: Tensor,
  batch: PackedBatch,
  dropout: AdapterDropout | undefined,
): AttentionActivations {
  const normed = norm(context, config, block.norm, input)
  const plainQuery = linear(context, block.query, normed.output, dropout)
  const plainKey = linear(context, block.key, normed.output, dropout)
  const value = linear(context, block.value, normed.output, dropout)
  const normedQuery = block.queryNorm && headNorm(context, config, block.queryNorm, plainQuery.output)
  const normedKey = block.keyNorm && headNorm(context, config, block.keyNorm, plainKey.output)
  const query = rope(context, (normedQuery ?? plainQuery).output, batch.positions, block.ropeTable)
  const key = rope(context, (normedKey ?? plainKey).output, batch.positions, block.ropeTable)
  const inputs = { query, key, value: value.output }
  const attended = attention(context, inputs, layoutFor(batch, block.window), attentionOptions(config))
  const output = linear(context, block.output, attended.output, dropout)
  const postNormed = block.postNorm && norm(context, config, block.postNorm, output.output)
  return {
    input,
    inputInverseRms: normed.inverseRms,
    normedInput: normed.output,
    plainQuery: normedQuery && plainQuery.output,
    queryInverseRms: normedQuery?.inverseRms,
    plainKey: normedKey && plainKey.output,
    keyInverseRms: normedKey?.inverseRms,
    ...inputs,
    attended: attended.output,
    logSumExp: attended.logSumExp,
    output: postNormed && output.output,
    outputInverseRms: postNormed?.inverseRms,
    result: add(context, input, (postNormed ?? output).output),
    ofQuery: plainQuery.projected,
    ofKey: plainKey.projected,
    ofValue: value.projected,
    ofOutput: output.projected,
  }
}

/** `dRows` [T, C] is the gradient of the block's result when called, and of its input afterwards (if `needsInput`). */
export function attentionBlockBackward(
  context: OpContext,
  config: DecoderConfig,
  block: AttentionBlock,
  batch: PackedBatch,
  kept: AttentionActivations,
  dropout: AdapterDropout | undefined,
  dRows: Tensor,
  needsInput: boolean,
): void {
  const { query, key, value, attended, logSumExp } = kept
  const ofPostNorm = { input: kept.output!, inverseRms: kept.outputInverseRms!, dOutput: dRows }
  const dOutput = block.postNorm ? normBackward(context, config, block.postNorm, ofPostNorm) : dRows
  const dAttended = linearBackward(context, block.output, {
    input: attended,
    projected: kept.ofOutput,
    dOutput,
    dropout,
  })!
  const d = attentionBackward(
    context,
    { query, key, value, output: attended, logSumExp, dOutput: dAttended },
    layoutFor(batch, block.window),
    attentionOptions(config),
  )
  const dNormedQuery = ropeBackward(context, d.dQuery, batch.positions, block.ropeTable)
  const dNormedKey = ropeBackward(context, d.dKey, batch.positions, block.ropeTable)
  const ofQueryNorm = { input: kept.plainQuery!, inverseRms: kept.queryInverseRms!, dOutput: dNormedQuery }
  const ofKeyNorm = { input: kept.plainKey!, inverseRms: kept.keyInverseRms!, dOutput: dNormedKey }
  const dQuery = block.queryNorm ? headNormBackward(context, config, block.queryNorm, ofQueryNorm) : dNormedQuery
  const dKey = block.keyNorm ? headNormBackward(context, config, block.keyNorm, ofKeyNorm) : dNormedKey

  const ofInput = { input: kept.normedInput, dropout }
  const ofQuery = { ...ofInput, projected: kept.ofQuery, dOutput: dQuery }
  const dNormed = linearBackward(context, block.query, ofQuery, needsInput ? "new" : "unused")
  const into = dNormed ?? "unused"
  linearBackward(context, block.key, { ...ofInput, projected: kept.ofKey, dOutput: dKey }, into)
  linearBackward(context, block.value, { ...ofInput, projected: kept.ofValue, dOutput: d.dValue }, into)
  if (!dNormed) return
  const ofNorm = { input: kept.input, inverseRms: kept.inputInverseRms, dOutput: dNormed }
  normBackward(context, config, block.norm, ofNorm, dRows)
}

function attentionOptions({ headCount, keyValueHeadCount, attentionScale, attentionSoftCap }: DecoderConfig) {
  return { headCount, keyValueHeadCount, scale: attentionScale, softCap: attentionSoftCap }
}
