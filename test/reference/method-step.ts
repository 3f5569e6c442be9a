// A whole training step in f64: forward passes of policy and reference, a method's loss, and its gradient by every parameter.
import type { DecoderConfig } from "#shared/formats/families/decoder-config.ts"
import { initialGapStatistics } from "#shared/methods/gap-statistics.ts"
import {
  type PairLogProbs,
  type ResponseGradient,
  type ScoredResponse,
  tokenGradient,
} from "#shared/methods/pair-log-probs.ts"
import { type StepLoss, type StepOptions, stepLoss } from "#shared/methods/step-loss.ts"
import type { Array64 } from "./array64.ts"
import type { DecoderWeights } from "./decoder.ts"
import { decoderPass, type ReferenceAdapter, type ReferencePass } from "./decoder-backward.ts"
import { type DivergenceInputs64, divergenceHead, divergenceHeadBackward } from "./divergence-head.ts"
import { collision } from "./log-prob-head.ts"
import type { ReferencePair } from "./packed-pairs.ts"

export interface StepModel {
  readonly weights: DecoderWeights
  readonly adapter?: ReferenceAdapter | undefined
}

export type StepRow = ReferencePair & { readonly label?: boolean | undefined }

export interface MethodStep {
  readonly loss: StepLoss
  /** By the names of decoderPass. */
  readonly gradients: ReadonlyMap<string, Float64Array>
  /** KL(reference ‖ policy) of every scored token. */
  readonly divergences: Float64Array
  readonly policy: ReferencePass
  readonly reference: ReferencePass
}

/** The step of a policy against a reference on packed rows. */
export function methodStep(
  config: DecoderConfig,
  policyModel: StepModel,
  referenceModel: StepModel,
  rows: readonly StepRow[],
  options: StepOptions,
): MethodStep {
  const policy = decoderPass(config, policyModel.weights, rows, policyModel.adapter)
  const reference = decoderPass(config, referenceModel.weights, rows, referenceModel.adapter)
  const head = headOf(config, policyModel.weights)
  const heads = divergenceInputs(policy, head, reference, headOf(config, referenceModel.weights))
  const divergences = divergenceHead(heads, config.finalSoftCap).data
  const collisions = collision(policy.hidden, head, config.finalSoftCap).data
  const pairs = scoredPairs(rows, policy.logProbs, reference.logProbs, { divergences, collisions })
  const loss = stepLoss(pairs, initialGapStatistics, options)
  const perToken = spread(rows, loss, tokenGradient)
  const perDivergence = spread(rows, loss, (gradient) => gradient.perDivergence ?? 0)
  const upstream = { shape: [perDivergence.length], data: perDivergence }
  const ofDivergence = divergenceHeadBackward(heads, upstream, config.finalSoftCap)
  const gradients = policy.gradients(perToken, ofDivergence.hidden)
  addTo(gradients, headName(config), ofDivergence.weight)
  return { loss, gradients, divergences, policy, reference }
}

/** Each row's sum of one number per scored token, chosen and rejected. */
export function responseSums(rows: readonly StepRow[], values: Float64Array): { chosen: number; rejected: number }[] {
  const sum = (part: Float64Array) => part.reduce((total, value) => total + value, 0)
  return sliced(rows, values).map(({ chosen, rejected }) => ({ chosen: sum(chosen), rejected: sum(rejected) }))
}

function divergenceInputs(
  { hidden }: ReferencePass,
  weight: Array64,
  { hidden: referenceHidden }: ReferencePass,
  referenceWeight: Array64,
): DivergenceInputs64 {
  return { hidden, weight, referenceHidden, referenceWeight }
}

function headName({ tieWordEmbeddings }: DecoderConfig): string {
  return tieWordEmbeddings ? "model.embed_tokens.weight" : "lm_head.weight"
}

function headOf(config: DecoderConfig, weights: DecoderWeights): Array64 {
  const data = Float64Array.from(weights.get(headName(config))!)
  return { shape: [config.vocabularySize, config.hiddenSize], data }
}

function sliced(rows: readonly StepRow[], values: Float64Array) {
  let at = 0
  const take = (count: number) => {
    at += count
    return values.subarray(at - count, at)
  }
  return rows.map(({ chosenIds, rejectedIds }) => ({
    chosen: take(chosenIds.length),
    rejected: take(rejectedIds.length),
  }))
}

function scoredPairs(
  rows: readonly StepRow[],
  policy: Float64Array,
  reference: Float64Array,
  more: { readonly divergences: Float64Array; readonly collisions: Float64Array },
): PairLogProbs[] {
  const total = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0)
  const scored = (logProbs: Float64Array): ScoredResponse => ({
    sum: total(logProbs),
    count: logProbs.length,
    logProbs,
  })
  const [ofReference, divergences, collisions] = [reference, more.divergences, more.collisions].map((values) =>
    sliced(rows, values),
  )
  return sliced(rows, policy).map((row, index) => {
    const side = (name: "chosen" | "rejected"): ScoredResponse => ({
      ...scored(row[name]),
      divergence: total(divergences![index]![name]),
      meanCollision: total(collisions![index]![name]) / row[name].length,
    })
    return {
      policyChosen: side("chosen"),
      policyRejected: side("rejected"),
      referenceChosen: scored(ofReference![index]!.chosen),
      referenceRejected: scored(ofReference![index]!.rejected),
      label: rows[index]!.label,
    }
  })
}

function spread(
  rows: readonly StepRow[],
  loss: StepLoss,
  of: (gradient: ResponseGradient, token: number) => number,
): Float64Array {
  return Float64Array.from(
    rows.flatMap(({ chosenIds, rejectedIds }, index) => [
      ...Array.from({ length: chosenIds.length }, (_, token) => of(loss.chosen[index]!, token)),
      ...Array.from({ length: rejectedIds.length }, (_, token) => of(loss.rejected[index]!, token)),
    ]),
  )
}

function addTo(gradients: Map<string, Float64Array>, name: string, { data }: Array64): void {
  const total = gradients.get(name)!
  gradients.set(
    name,
    total.map((value, index) => value + data[index]!),
  )
}
