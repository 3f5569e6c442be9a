// The attention half of a layer: norm, projections (and norms of q and k), rotation, attention over the layer's window, projection
// (and norm), residual. Forward beside backward.
// Shape letters: T tokens, Q of them as queries (all but in the last layer), C hidden size, H query heads, KV key-value heads, D head size.
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { attention, attentionBackward } from "#gpu-runner/ops/attention/attention.ts"
import type { AttentionLayout } from "#gpu-runner/ops/attention/attention-lists.ts"
import { add, zeros } from "#gpu-runner/ops/elementwise/elementwise.ts"
import { rope, ropeBackward } from "#gpu-runner/ops/rows/rope.ts"
import { gatherRows, scatterAddRows } from "#gpu-runner/ops/rows/rows.ts"
import type { DecoderConfig } from "#shared/formats/families/decoder-config.ts"
import type { JoinedLinears } from "./joined-linears.ts"
import { layoutFor } from "./laid-out-batch.ts"
import type { LayerPass } from "./layer-pass.ts"
import { type Linear, type LinearResult, linear, linearBackward, linears, residualOf, type Weight } from "./linear.ts"
import { headNorm, headNormBackward, norm, normBackward } from "./norm.ts"

export interface AttentionBlock {
  readonly norm: Weight
  readonly query: Linear
  readonly key: Linear
  readonly value: Linear
  /** Query, key and value together, where a pass that generates has them so. */
  readonly joined: JoinedLinears | undefined
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
  /** [Q, H]; undefined in a pass that generates */
  readonly logSumExp: Tensor | undefined
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

/** input + postNorm(attention(norm(input))): [T, C], or where few tokens predict the rows [Q, C] of these alone. */
export function attentionBlockForward(pass: LayerPass, block: AttentionBlock, input: Tensor): AttentionActivations {
  const { context, config, batch, predicting } = pass
  const ofQueries = (rows: Tensor) => (predicting ? gatherRows(context, rows, predicting.rows) : rows)
  const normed = norm(pass, block.norm, input)
  const queryInput = ofQueries(normed.output)
  const [plainQuery, plainKey, value] = projections(pass, block, queryInput, normed.output)
  const normedQuery = block.queryNorm && headNorm(pass, block.queryNorm, plainQuery.output)
  const normedKey = block.keyNorm && headNorm(pass, block.keyNorm, plainKey.output)
  const unrotated = { query: (normedQuery ?? plainQuery).output, key: (normedKey ?? plainKey).output }
  const rotated = (rows: Tensor, positions: Tensor) => rope(context, rows, positions, block.ropeTable)
  const inputs = pass.generation
    ? { ...unrotated, value: value.output }
    : {
        query: rotated(unrotated.query, (predicting ?? batch).positions),
        key: rotated(unrotated.key, batch.positions),
        value: value.output,
      }
  const attended = pass.generation
    ? { output: pass.generation.attend(inputs, block.ropeTable), logSumExp: undefined }
    : attention(context, inputs, layoutOf(pass, block), attentionOptions(config))
  const residual = residualOf(pass, block, block.output, input)
  const output = linear(pass, block.output, attended.output, residual)
  const postNormed = block.postNorm && norm(pass, block.postNorm, output.output)
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
    result: residual ?? add(context, ofQueries(input), (postNormed ?? output).output),
    ofQuery: plainQuery.projected,
    ofKey: plainKey.projected,
    ofValue: value.projected,
    ofOutput: output.projected,
  }
}

/** Query, key and value, before norms and rotation. */
function projections(
  pass: LayerPass,
  { query, key, value, joined }: AttentionBlock,
  queryInput: Tensor,
  input: Tensor,
): readonly [LinearResult, LinearResult, LinearResult] {
  if (queryInput === input) return linears(pass, [query, key, value], joined, input)
  return [linear(pass, query, queryInput), linear(pass, key, input), linear(pass, value, input)]
}

/**
 * The gradient of the block's input from `dRows` [Q, C], that of its result: [T, C], which is `dRows` itself, overwritten, where all
 * tokens are queries. Undefined where the input `isNeeded` no further.
 */
export function attentionBlockBackward(
  pass: LayerPass,
  block: AttentionBlock,
  kept: AttentionActivations,
  dRows: Tensor,
  { isNeeded }: { readonly isNeeded: boolean },
): Tensor | undefined {
  const { context, predicting } = pass
  const dNormed = projectionsBackward(pass, block, kept, attendedBackward(pass, block, kept, dRows), isNeeded)
  if (!dNormed) return undefined
  const dInput = predicting ? zeros(context, kept.input.shape, "attention_block.d_input") : dRows
  if (predicting) scatterAddRows(context, predicting.groups, dRows, dInput)
  const ofNorm = { input: kept.input, inverseRms: kept.inputInverseRms, dOutput: dNormed }
  return normBackward(pass, block.norm, ofNorm, dInput)
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
  pass: LayerPass,
  block: AttentionBlock,
  kept: AttentionActivations,
  dRows: Tensor,
): ProjectionGradients {
  const { context, config, batch, predicting } = pass
  const ofPostNorm = { input: kept.output!, inverseRms: kept.outputInverseRms!, dOutput: dRows }
  const dOutput = block.postNorm ? normBackward(pass, block.postNorm, ofPostNorm) : dRows
  const ofOutput = { input: kept.attended, projected: kept.ofOutput, dOutput }
  const dAttended = linearBackward(pass, block.output, ofOutput)!
  const saved = { ...kept, output: kept.attended, logSumExp: kept.logSumExp!, dOutput: dAttended }
  const d = attentionBackward(context, saved, layoutOf(pass, block), attentionOptions(config))
  const dNormedQuery = ropeBackward(context, d.dQuery, (predicting ?? batch).positions, block.ropeTable)
  const dNormedKey = ropeBackward(context, d.dKey, batch.positions, block.ropeTable)
  const ofQueryNorm = { input: kept.plainQuery!, inverseRms: kept.queryInverseRms!, dOutput: dNormedQuery }
  const ofKeyNorm = { input: kept.plainKey!, inverseRms: kept.keyInverseRms!, dOutput: dNormedKey }
  return {
    dQuery: block.queryNorm ? headNormBackward(pass, block.queryNorm, ofQueryNorm) : dNormedQuery,
    dKey: block.keyNorm ? headNormBackward(pass, block.keyNorm, ofKeyNorm) : dNormedKey,
    dValue: d.dValue,
  }
}

/** Adds the projections' own gradients; the gradient of the normed input [T, C], if it `isNeeded`. */
function projectionsBackward(
  pass: LayerPass,
  block: AttentionBlock,
  kept: AttentionActivations,
  { dQuery, dKey, dValue }: ProjectionGradients,
  isNeeded: boolean,
): Tensor | undefined {
  const { context, predicting } = pass
  const ofQuery = { input: kept.queryInput, projected: kept.ofQuery, dOutput: dQuery }
  const ofKey = { input: kept.normedInput, projected: kept.ofKey, dOutput: dKey }
  const ofValue = { input: kept.normedInput, projected: kept.ofValue, dOutput: dValue }
  const dQueryInput = linearBackward(pass, block.query, ofQuery, isNeeded ? "new" : "unused")
  const isSame = dQueryInput && !predicting
  const dNormed = linearBackward(pass, block.key, ofKey, isSame ? dQueryInput : isNeeded ? "new" : "unused")
  linearBackward(pass, block.value, ofValue, dNormed ?? "unused")
  if (dNormed && predicting) scatterAddRows(context, predicting.groups, dQueryInput!, dNormed)
  return dNormed
}

function layoutOf({ batch, predicting }: LayerPass, { window }: AttentionBlock): AttentionLayout {
  return predicting?.layout ?? layoutFor(batch, window)
}

/** What attention is told of the model. */
export function attentionOptions({ headCount, keyValueHeadCount, attentionScale, attentionSoftCap }: DecoderConfig) {
  return { headCount, keyValueHeadCount, scale: attentionScale, softCap: attentionSoftCap }
}
