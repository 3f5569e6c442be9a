// What every method starts from: log-probabilities of two responses under the policy and, where a method needs it, the reference;
// and what every method gives back: a loss and the derivatives by the log-probs. Plain f64 numbers; nats throughout.

/** A scored response: Σ log-prob over its scored tokens in nats, and how many there are (at least 1). */
export interface ResponseLogProb {
  readonly sum: number
  readonly count: number
}

/** A scored response with what single methods read besides the sum. */
export interface ScoredResponse extends ResponseLogProb {
  /** Log-prob of each token, nats: LD-DPO splits the sum. */
  readonly logProbs?: ArrayLike<number> | undefined
  /** Mean over the tokens of log Σ_v p_v², nats; of the policy only, for WPO. */
  readonly meanCollision?: number | undefined
  /** Σ_t KL(reference ‖ policy) over the positions that predict the response, nats; of the policy only, for TDPO. */
  readonly divergence?: number | undefined
}

export interface PairLogProbs {
  /** Of an unpaired row, its completion. */
  readonly policyChosen: ScoredResponse
  /** Of an unpaired row, the mismatched completion that KTO estimates the KL with. */
  readonly policyRejected: ScoredResponse
  readonly referenceChosen?: ScoredResponse | undefined
  readonly referenceRejected?: ScoredResponse | undefined
  /** Of an unpaired row: whether its completion is desirable. */
  readonly label?: boolean | undefined
}

/** Whether a loss is a function of mean log-probs (nats per token) or of their sums (nats). */
export type Reduction = "mean" | "sum"

/** Derivatives of a loss by one response's scores. Tokens differ in LD-DPO alone, and only from `tailStart` on. */
export interface ResponseGradient {
  /** dL/d(log-prob of each token) before `tailStart`. */
  readonly perToken: number
  /** Index of the first token whose derivative is `tailPerToken`. */
  readonly tailStart?: number
  readonly tailPerToken?: number
  /** dL/d(KL(reference ‖ policy) at each position), in TDPO alone. */
  readonly perDivergence?: number
}

/** One pair's part of the loss. */
export interface PairLoss {
  readonly loss: number
  readonly chosen: ResponseGradient
  readonly rejected: ResponseGradient
  /** The method's own reward of each response, each method states its formula; undefined where a row has no such response. */
  readonly rewardChosen: number | undefined
  readonly rewardRejected: number | undefined
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

/** A method needs more of a response than its summed log-prob; the message names what, and the mend. */
export class ScoresMissing extends Error {
  readonly _tag = "ScoresMissing"
  constructor(method: string, what: string, mend: string) {
    super(`${method} needs ${what}; ${mend}`)
    this.name = "ScoresMissing"
  }
}

/** Mean log-prob, nats per token. */
export function meanLogProb(response: ResponseLogProb): number {
  return response.sum / response.count
}

/** Both of the reference's responses; ReferenceMissing without one. */
export function referenceOf(
  method: string,
  pair: PairLogProbs,
): { readonly chosen: ScoredResponse; readonly rejected: ScoredResponse } {
  const { referenceChosen: chosen, referenceRejected: rejected } = pair
  if (chosen === undefined || rejected === undefined) throw new ReferenceMissing(method)
  return { chosen, rejected }
}

/** The log-ratios sθ − sref of both responses, nats; ReferenceMissing without a reference. */
export function logRatiosOf(
  method: string,
  pair: PairLogProbs,
): { readonly chosen: number; readonly rejected: number } {
  const reference = referenceOf(method, pair)
  return {
    chosen: pair.policyChosen.sum - reference.chosen.sum,
    rejected: pair.policyRejected.sum - reference.rejected.sum,
  }
}

/** The gap M = Δθ − Δref of mean log-probs, nats per token; undefined without a reference. */
export function gapOf(pair: PairLogProbs): number | undefined {
  const { policyChosen, policyRejected, referenceChosen, referenceRejected } = pair
  if (referenceChosen === undefined || referenceRejected === undefined) return undefined
  const policyLogRatio = meanLogProb(policyChosen) - meanLogProb(policyRejected)
  return policyLogRatio - (meanLogProb(referenceChosen) - meanLogProb(referenceRejected))
}

/** A derivative by a response's mean log-prob, as one by each of its tokens. */
export function byMean(derivative: number, { count }: ResponseLogProb): ResponseGradient {
  return { perToken: derivative / count }
}

/** A derivative by a response's summed log-prob is the derivative by each of its tokens. */
export function bySum(derivative: number): ResponseGradient {
  return { perToken: derivative }
}

/** `factor` · gradient + `shift` on every token. */
export function scaledGradient(gradient: ResponseGradient, factor: number, shift = 0): ResponseGradient {
  const { perToken, tailStart, tailPerToken, perDivergence } = gradient
  return {
    perToken: factor * perToken + shift,
    ...(tailStart === undefined || tailPerToken === undefined
      ? {}
      : { tailStart, tailPerToken: factor * tailPerToken + shift }),
    ...(perDivergence === undefined ? {} : { perDivergence: factor * perDivergence }),
  }
}

/** The derivative by the log-prob of token `index`. */
export function tokenGradient({ perToken, tailStart, tailPerToken }: ResponseGradient, index: number): number {
  return tailStart !== undefined && tailPerToken !== undefined && index >= tailStart ? tailPerToken : perToken
}
