// Judging a policy on held-out pairs by one rule for every method, so that α-DPO, SimPO and DPO can stand beside each other.
import { meanLogProb, type ResponseLogProb } from "./pair-log-probs.ts"

export interface ScoredPair {
  readonly chosen: ResponseLogProb
  readonly rejected: ResponseLogProb
}

export interface PairAccuracy {
  /** Share of pairs whose chosen response has the higher mean log-prob; an exact tie counts one half. */
  readonly accuracy: number
  /** 95 % Wilson interval. */
  readonly low: number
  readonly high: number
  readonly pairs: number
}

/** Method-independent pair accuracy (length-normalised log-probs, no reference). RangeError without pairs. */
export function pairAccuracy(pairs: readonly ScoredPair[]): PairAccuracy {
  if (pairs.length === 0) throw new RangeError("accuracy needs at least one pair")
  const hits = pairs.reduce((sum, pair) => {
    const difference = meanLogProb(pair.chosen) - meanLogProb(pair.rejected)
    return sum + (difference > 0 ? 1 : difference === 0 ? 0.5 : 0)
  }, 0)
  return { accuracy: hits / pairs.length, ...wilsonInterval(hits, pairs.length), pairs: pairs.length }
}

/** Two-sided 95 % normal quantile. */
const Z_95 = 1.959963984540054

/** Wilson's score interval of `successes` of `trials` (Wilson 1927); unlike the normal one it stays inside [0, 1]. */
export function wilsonInterval(successes: number, trials: number, z = Z_95) {
  const share = successes / trials
  const scale = 1 + z ** 2 / trials
  const centre = (share + z ** 2 / (2 * trials)) / scale
  const reach = (z / scale) * Math.sqrt((share * (1 - share)) / trials + z ** 2 / (4 * trials ** 2))
  return { low: Math.max(0, centre - reach), high: Math.min(1, centre + reach) }
}

/**
 * Estimate of KL(reference ‖ policy) on the given responses, from sums: mean of sref − sθ per response (nats), and per token.
 * One sample a response, so single values may be negative; honest only where the responses are like the reference's own.
 */
export function klEstimate(
  policy: readonly ResponseLogProb[],
  reference: readonly ResponseLogProb[],
): { readonly perResponse: number; readonly perToken: number } {
  if (policy.length === 0 || policy.length !== reference.length) {
    throw new RangeError("KL needs the same responses, at least one, under policy and reference")
  }
  const total = policy.reduce((sum, response, index) => sum + reference[index]!.sum - response.sum, 0)
  const tokens = policy.reduce((sum, { count }) => sum + count, 0)
  return { perResponse: total / policy.length, perToken: total / tokens }
}
