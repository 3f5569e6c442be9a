// The direction of a pair's gradient: what its derivatives by the log-probs of its tokens are a multiple of, whatever the scores turn
// out to be. Where there is one, the backward pass need not wait for the loss: it is linear in its upstream, and the factor comes later.
// Every method states its own, in the units of its reduction (±1 a response of means, ±1 a token of sums); `pairDirection` of step-loss.ts
// asks for it.
import { bySum, type Reduction, type ResponseGradient } from "./pair-log-probs.ts"

/** Derivatives up to one factor. The first chosen token's is never 0. */
export interface PairDirection {
  readonly chosen: ResponseGradient
  readonly rejected: ResponseGradient
}

export interface ResponseLengths {
  readonly chosen: number
  readonly rejected: number
}

/** Of losses of a difference of log-probs: what the chosen response gains the rejected one loses. */
export function oppositeDirection({ chosen, rejected }: ResponseLengths, reduction: Reduction): PairDirection {
  if (reduction === "sum") return { chosen: bySum(1), rejected: bySum(-1) }
  return { chosen: bySum(1 / chosen), rejected: bySum(-1 / rejected) }
}
