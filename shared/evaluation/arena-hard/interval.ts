// What is drawn again for an interval, and which share of the draws it spans.
import { percentile } from "../statistics/percentile.ts"
import type { Version } from "./verdict.ts"

/**
 * cluster: questions, whose games are judged about the same two answers. row: the rows that the fit reads, a strong verdict three times, as the
 * authors do; that takes one judgement for three and its interval is too narrow.
 */
export const MODES = ["cluster", "row"] as const
export type Mode = (typeof MODES)[number]

/** Per cent; low and high absent where no interval was asked for. */
export interface Scored {
  readonly score: number
  readonly low?: number
  readonly high?: number
}

/** v0.1 spans the middle 95 % of the draws, v2.0 the middle 90 %. */
export const CONFIDENCE: Readonly<Record<Version, number>> = { "0.1": 0.95, "2.0": 0.9 }

/** Per cent, of drawn shares. v0.1 takes its percentiles of ratings, whose scale is the share's logarithm of odds, and v2.0 of shares. */
export function intervalOf(shares: Iterable<number>, version: Version): Required<Omit<Scored, "score">> {
  const tail = (1 - CONFIDENCE[version]) / 2
  const ascending = Float64Array.from(shares).sort()
  const at = (share: number) =>
    100 *
    (version === "0.1" && ascending[0]! > 0 && ascending.at(-1)! < 1
      ? shareOf(percentile(ascending.map(logOdds), share))
      : percentile(ascending, share))
  return { low: at(tail), high: at(1 - tail) }
}

const logOdds = (share: number) => Math.log(share / (1 - share))
const shareOf = (odds: number) => 1 / (1 + Math.exp(-odds))
