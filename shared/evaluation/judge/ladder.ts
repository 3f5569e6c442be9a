// Judges as a ladder: a cheap one's verdict stands where it is decided, and the next is asked about the rest. What stands is the ladder's own win rate.
// What the last judge alone would give is another number: what was left to it is no sample of the whole, so that it is estimated only where it was also
// asked about pairs drawn by chance among those that were decided before.
import { studentQuantile95 } from "../statistics/mean-interval.ts"
import { predictionPoweredMean } from "../statistics/prediction-powered.ts"
import type { AskedPair, GivenVerdict } from "./asked-run.ts"
import type { JudgedPair } from "./judged-pairs.ts"

/** How near one half a preference is undecided: from 0.3 to 0.7. */
export const UNDECIDED = 0.2

/** An earlier judge's verdict on a pair. */
export interface EarlierVerdict extends GivenVerdict {
  /** Its two orders prefer different answers. */
  readonly isContradicted: boolean
}

/** A verdict that is missing, that contradicts itself, or that is within `band` of one half. */
export function isUndecided({ value, isContradicted }: EarlierVerdict, band: number): boolean {
  return value === null || isContradicted || Math.abs(value - 0.5) <= band
}

/**
 * Pairs as the next judge is asked about them: those that `earlier` leaves undecided, and of the others, beside the verdict that stands, the share `audit`,
 * which is drawn by the pairs' digests. Equal answers are asked of nobody.
 */
export function onNextRung(
  pairs: readonly JudgedPair[],
  earlier: readonly EarlierVerdict[],
  { band, audit }: { readonly band: number; readonly audit: number },
): JudgedPair[] {
  const isDecided = (pair: AskedPair, index: number) => pair.questions.length > 0 && !isUndecided(earlier[index]!, band)
  const decided = pairs.filter(isDecided)
  // The digest is of the texts alone, and uniform: its order is a shuffle that is the same at every start.
  const audited = new Set(
    decided.toSorted((one, other) => (one.digest < other.digest ? -1 : 1)).slice(0, Math.ceil(audit * decided.length)),
  )
  return pairs.map((pair, index): JudgedPair => {
    if (pair.questions.length === 0) return pair
    const { isContradicted: _, ...given } = earlier[index]!
    if (!isDecided(pair, index)) return { ...pair, given }
    return audited.has(pair) ? { ...pair, given, isAudited: true } : { ...pair, given, questions: [] }
  })
}

/** A pair's verdict on the ladder, from 0 to 1. */
export interface LadderVerdict {
  /** The judge of an earlier rung whose verdict it is; undefined where it is the last's. */
  readonly earlier: string | undefined
  /** A verdict, and not the draw of equal answers. */
  readonly isAsked: boolean
  readonly value: number
  /** What the last judge says of a pair that was decided before. */
  readonly audit?: number | undefined
}

export interface LadderReport {
  /** How many verdicts are whose. */
  readonly judges: Readonly<Record<string, number>>
  /** Pairs that were decided before and of which the last judge was asked all the same. */
  readonly audited: number
  /** On those: 1 less the mean distance of the two decisions; null without any. */
  readonly agreement: number | null
  /** What the last judge would give alone, per cent, with a 95 % interval; null where fewer than `LEAST_AUDITED` pairs were audited, or their verdicts are all alike. */
  readonly last: {
    readonly judge: string
    readonly win_rate: number
    readonly low: number
    readonly high: number
  } | null
}

/** Undefined where all verdicts are one judge's. */
export function ladderReport(verdicts: readonly LadderVerdict[], last: string): LadderReport | undefined {
  const given = verdicts.filter(({ earlier }) => earlier !== undefined)
  if (given.length === 0) return undefined
  const names = [...new Set([...given.map(({ earlier }) => earlier!), last])]
  const asked = verdicts.filter(({ isAsked }) => isAsked)
  const audited = given.flatMap(({ value, audit }) => (audit === undefined ? [] : [{ value, audit }]))
  const apart = audited.reduce((sum, { value, audit }) => sum + Math.abs(sideOf(value) - sideOf(audit)), 0)
  const alone = lastAlone(verdicts)
  return {
    judges: Object.fromEntries(names.map((name) => [name, asked.filter((of) => (of.earlier ?? last) === name).length])),
    audited: audited.length,
    agreement: audited.length === 0 ? null : 1 - apart / audited.length,
    last: alone === undefined ? null : { judge: last, ...alone },
  }
}

const sideOf = (value: number) => (value > 0.5 ? 1 : value < 0.5 ? 0 : 0.5)

/** Of fewer the interval holds less than it says: where a cheap judge is right 19 times in 20, of 7 it held 83 times in 100. */
export const LEAST_AUDITED = 30

/**
 * The mean of the last judge over all pairs, post-stratified: its own verdicts on what it was asked, and on what was decided before the earlier judges' mean,
 * mended by the audit (prediction-powered.ts). The variance is that of both strata and of their sizes; each part with its own quantile.
 */
function lastAlone(verdicts: readonly LadderVerdict[]) {
  const own = verdicts.flatMap(({ earlier, value }) => (earlier === undefined ? [value] : []))
  const given = verdicts.filter(({ earlier }) => earlier !== undefined)
  const labelled = given.flatMap(({ value, audit }) => (audit === undefined ? [] : [{ judge: value, human: audit }]))
  // Of verdicts that are all alike the variance is 0, which says nothing of the pairs that were not drawn.
  if (labelled.length < LEAST_AUDITED || new Set(labelled.map(({ human }) => human)).size < 2) return undefined
  const decided = predictionPoweredMean(
    labelled,
    given.flatMap(({ value, audit }) => (audit === undefined ? [value] : [])),
  )
  const [ofOwn, ofDecided] = [own.length / verdicts.length, given.length / verdicts.length]
  const ownMean = own.length === 0 ? 0 : own.reduce((sum, value) => sum + value, 0) / own.length
  const mean = ofOwn * ownMean + ofDecided * decided.mean
  const ownVariance =
    own.length < 2 ? 0 : own.reduce((sum, value) => sum + (value - ownMean) ** 2, 0) / (own.length - 1) / own.length
  const between = (ofOwn * (ownMean - mean) ** 2 + ofDecided * (decided.mean - mean) ** 2) / verdicts.length
  const ofRest = studentQuantile95(verdicts.length - 1) * Math.sqrt(ofOwn ** 2 * ownVariance + between)
  const reach = Math.hypot(ofDecided * (decided.high - decided.mean), ofRest)
  const percent = (share: number) => 100 * Math.min(1, Math.max(0, share))
  return { win_rate: percent(mean), low: percent(mean - reach), high: percent(mean + reach) }
}
