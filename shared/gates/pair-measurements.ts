// Measurements from log-probs of held-out pairs, the policy's beside those of its base, or of what production serves. Pure, f64, nats.
import { type MeanInterval, meanInterval } from "#shared/evaluation/statistics/mean-interval.ts"
import type { ScoredPair } from "#shared/methods/accuracy.ts"
import { meanLogProb, type ResponseLogProb } from "#shared/methods/pair-log-probs.ts"
import type { Measured } from "./measurements.ts"

/** A share of fewer pairs says nothing: of 20, one is five points. */
export const FEWEST_PAIRS = 20

export interface ComparedPairs {
  readonly policy: readonly ScoredPair[]
  /** What it is compared with: the same pairs in the same order. */
  readonly base: readonly ScoredPair[]
}

/** k3 = r − 1 − ln r, r = e^d (Schulman, "Approximating KL Divergence", 2020): never negative. */
export const k3 = (logRatio: number): number => Math.expm1(logRatio) - logRatio

const hasFiniteSum = ({ sum }: ResponseLogProb): boolean => Number.isFinite(sum)

const responses = (pairs: readonly ScoredPair[]): ResponseLogProb[] =>
  pairs.flatMap(({ chosen, rejected }) => [chosen, rejected])

export interface Drift {
  readonly perToken: number
  readonly perResponse: number
}

/**
 * Drift from the base over all responses whose log-probs are finite: mean of k3 over tokens, and its sum over a response's tokens, mean over
 * responses. k3 is never negative, unlike the plain mean of log-ratios, in which chosen responses pushed up hide rejected ones pushed down. Two
 * limits: the responses are the labellers', sampled from neither model, so this is an estimate of no KL exactly; and sums are all that is known,
 * so d is a response's mean per token, which by convexity gives a lower bound. Undefined where nothing is finite.
 */
export const driftOf = ({ policy, base }: ComparedPairs): Drift | undefined => {
  const ofBase = responses(base)
  let [total, tokens, count] = [0, 0, 0]
  for (const [index, response] of responses(policy).entries()) {
    if (!hasFiniteSum(response)) continue
    const d = meanLogProb(response) - meanLogProb(ofBase[index]!)
    total += response.count * k3(d)
    tokens += response.count
    count += 1
  }
  if (count === 0) return undefined
  const bounded = Number.isFinite(total) ? total : Number.MAX_VALUE
  return { perToken: bounded / tokens, perResponse: bounded / count }
}

/** A mean with its interval; one value has none. */
export const measuredMean = (values: readonly number[], of: string): Measured => {
  const { mean, halfWidth }: MeanInterval = meanInterval(values)
  return { value: mean, ...(halfWidth === null ? {} : { low: mean - halfWidth, high: mean + halfWidth }), of }
}

/** 1 where the chosen response has the higher mean log-prob, 0 where it has not or a log-prob is no number, a tie one half. */
export const rightness = ({ chosen, rejected }: ScoredPair): number => {
  const difference = meanLogProb(chosen) - meanLogProb(rejected)
  return difference > 0 ? 1 : difference === 0 ? 0.5 : 0
}

/** Of each pair: how much more right the policy is than its base, −1 to 1. */
const gains = ({ policy, base }: ComparedPairs): number[] =>
  policy.map((pair, index) => rightness(pair) - rightness(base[index]!))

/** Accuracy over the base's; undefined without pairs. */
export const gainOverBase = (pairs: ComparedPairs): Measured | undefined => {
  const of = gains(pairs)
  return of.length === 0 ? undefined : measuredMean(of, `${of.length} held-out pairs`)
}

/** The same where the chosen response is the shorter one: there is nothing for a taste for length to gain. Undefined with fewer than 20. */
export const shortChosenGain = (pairs: ComparedPairs): Measured | undefined => {
  const kept = gains(pairs).filter((_, index) => {
    const { chosen, rejected } = pairs.policy[index]!
    return chosen.count < rejected.count
  })
  return kept.length < FEWEST_PAIRS
    ? undefined
    : measuredMean(kept, `${kept.length} pairs whose chosen response is the shorter one`)
}

/** The lowest gain of all groups with at least 20 pairs, by its mean; undefined where there is none. `groups` has each pair's, or undefined. */
export const worstGain = (pairs: ComparedPairs, groups: readonly (string | undefined)[]): Measured | undefined => {
  const byGroup = new Map<string, number[]>()
  gains(pairs).forEach((gain, index) => {
    const group = groups[index]
    if (group === undefined) return
    const values = byGroup.get(group)
    if (values === undefined) byGroup.set(group, [gain])
    else values.push(gain)
  })
  const measured = [...byGroup].flatMap(([group, values]) =>
    values.length < FEWEST_PAIRS ? [] : [{ group, mean: meanInterval(values).mean, values }],
  )
  if (measured.length === 0) return undefined
  const worst = measured.reduce((least, of) => (of.mean < least.mean ? of : least))
  return measuredMean(worst.values, `${worst.values.length} pairs of "${worst.group}", the worst of ${measured.length}`)
}

/** What `measured` says of the pairs that earlier runs had too; undefined with fewer than 20. */
export const ofOldPairs = (
  { policy, base }: ComparedPairs,
  isOld: readonly boolean[],
  measured: (pairs: ComparedPairs) => Measured | undefined,
): Measured | undefined => {
  const keep = (pairs: readonly ScoredPair[]) => pairs.filter((_, index) => isOld[index])
  const old = { policy: keep(policy), base: keep(base) }
  if (old.policy.length < FEWEST_PAIRS) return undefined
  const found = measured(old)
  return found === undefined || "missing" in found
    ? found
    : { ...found, of: `${old.policy.length} held-out pairs that earlier runs had too` }
}

/** Likelihood displacement: mean log-prob of chosen responses less the base's, nats per token. */
export const chosenChange = ({ policy, base }: ComparedPairs): Measured => {
  const changes = policy.map(({ chosen }, index) => meanLogProb(chosen) - meanLogProb(base[index]!.chosen))
  const finite = changes.filter(Number.isFinite)
  return finite.length === 0
    ? { missing: "not one chosen response has a finite log-prob" }
    : measuredMean(finite, `${finite.length} chosen responses`)
}
