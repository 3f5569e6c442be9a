// What every method starts from: log-probabilities of two responses under the policy and, where a method needs it, the reference;
// and what every method gives back. Plain f64 numbers; nats throughout.

/** A scored response: Σ log-prob over its scored tokens in nats, and how many there are (at least 1). */
export interface ResponseLogProb {
  readonly sum: number
  readonly count: number
}

export interface PairLogProbs {
  readonly policyChosen: ResponseLogProb
  readonly policyRejected: ResponseLogProb
  readonly referenceChosen?: ResponseLogProb | undefined
  readonly referenceRejected?: ResponseLogProb | undefined
}

/** Whether a loss is a function of mean log-probs (nats per token) or of their sums (nats). */
export type Reduction = "mean" | "sum"

/** One pair's part of the loss. `dChosen` and `dRejected` are its derivatives by the method's reduced log-prob of each response. */
export interface PairLoss {
  readonly loss: number
  readonly dChosen: number
  readonly dRejected: number
  /** The method's own reward of each response; each method states its formula. */
  readonly rewardChosen: number
  readonly rewardRejected: number
  /** The margin that the log-ratio had to beat, in the units of the reduction; 0 where a method has none. */
  readonly margin: number
}

/** A method needs the reference and the pair has none. */
export class ReferenceMissing extends Error {
  readonly _tag = "ReferenceMissing"
  constructor(method: string) {
    super(`${method} needs reference log-probs for every pair; score the data first, or use simpo`)
    this.name = "ReferenceMissing"
  }
}

/** Mean log-prob, nats per token. */
export function meanLogProb(response: ResponseLogProb): number {
  return response.sum / response.count
}

/** Δref or the reference's sums; ReferenceMissing without one. */
export function referenceOf(
  method: string,
  pair: PairLogProbs,
): { readonly chosen: ResponseLogProb; readonly rejected: ResponseLogProb } {
  const { referenceChosen: chosen, referenceRejected: rejected } = pair
  if (chosen === undefined || rejected === undefined) throw new ReferenceMissing(method)
  return { chosen, rejected }
}

/** The gap M = Δθ − Δref of mean log-probs, nats per token; undefined without a reference. */
export function gapOf(pair: PairLogProbs): number | undefined {
  const { policyChosen, policyRejected, referenceChosen, referenceRejected } = pair
  if (referenceChosen === undefined || referenceRejected === undefined) return undefined
  const policyLogRatio = meanLogProb(policyChosen) - meanLogProb(policyRejected)
  return policyLogRatio - (meanLogProb(referenceChosen) - meanLogProb(referenceRejected))
}
