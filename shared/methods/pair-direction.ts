// The direction of a pair's gradient: what its derivatives by the log-probs of its tokens are a multiple of, whatever the scores turn
// out to be. Where there is one, the backward pass need not wait for the loss: it is linear in its upstream, and the factor comes later.
import { type MethodOptions, reductionOf } from "./methods.ts"
import { bySum, type ResponseGradient } from "./pair-log-probs.ts"

/** Derivatives up to one factor. The first chosen token's is never 0. */
export interface PairDirection {
  readonly chosen: ResponseGradient
  readonly rejected: ResponseGradient
}

export interface ResponseLengths {
  readonly chosen: number
  readonly rejected: number
}

/**
 * The direction for responses of these lengths, in the units of the method's reduction (±1 a response of means, ±1 a token of sums).
 * Undefined where chosen and rejected have factors of their own: under an SFT term, whose weight is not the comparison's; in ORPO and
 * AlphaPO, whose slopes depend on each response's probability.
 */
export function pairDirection(lengths: ResponseLengths, options: MethodOptions): PairDirection | undefined {
  const { method, sftWeight } = options
  if (sftWeight !== 0 || method === "orpo" || method === "alphapo") return undefined
  if (method === "kto") return { chosen: bySum(1), rejected: bySum(0) }
  if (method === "tdpo") return divergenceDirection(options)
  if (method === "ld-dpo") return tailedDirection(lengths, options.ldAlpha)
  if (reductionOf(options) === "sum") return { chosen: bySum(1), rejected: bySum(-1) }
  return { chosen: bySum(1 / lengths.chosen), rejected: bySum(-1 / lengths.rejected) }
}

/** See tdpoLoss: variant 2 stops the gradient of the chosen divergence. */
function divergenceDirection({ tdpoVariant, tdpoAlpha }: MethodOptions): PairDirection {
  return tdpoVariant === 1
    ? { chosen: { perToken: 1, perDivergence: 1 }, rejected: { perToken: -1, perDivergence: -1 } }
    : { chosen: { perToken: 1, perDivergence: 0 }, rejected: { perToken: -1, perDivergence: -tdpoAlpha } }
}

/** See ldDpoLoss: tokens beyond the shorter response's length weigh α. */
function tailedDirection({ chosen, rejected }: ResponseLengths, ldAlpha: number): PairDirection {
  const shared = Math.min(chosen, rejected)
  const side = (perToken: number, length: number): ResponseGradient =>
    length > shared ? { perToken, tailStart: shared, tailPerToken: ldAlpha * perToken } : { perToken }
  return { chosen: side(1, chosen), rejected: side(-1, rejected) }
}
