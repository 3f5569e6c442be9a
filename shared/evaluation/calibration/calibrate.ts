// How far a judge goes with people: agreement and κ on answers that both compared, beside how far people go with each other, and what else than the
// answers it goes by: place, length, lists. A preference is a number from 0, the first answer, to 1, the second; ½ is a tie.
import { TooLittleJudged } from "../evaluation-error.ts"
import { middle95 } from "../statistics/percentile.ts"
import { drawCounts, type Resampling } from "../statistics/resampling.ts"
import { fitSparseLogistic } from "../statistics/sparse-logistic.ts"

export interface VotedPair {
  /** What people prefer, one vote each: 0, ½ or 1. At least one. */
  readonly votes: readonly number[]
  /** What the judge prefers when the first answer is shown first, and when the second is; from 0 to 1, both of the answers and not of the places. */
  readonly judged: readonly [inOrder: number, swapped: number]
  /** Of the two answers; a list is counted by its items. */
  readonly lengths?: readonly [number, number] | undefined
  readonly listItems?: readonly [number, number] | undefined
}

/** Of the pairs whose answers differ in it: how often the one that has more is preferred, by the judge and by people. */
export interface Liking {
  readonly judge: number
  readonly people: number
  readonly pairs: number
}

export interface Calibration {
  /** 1 − mean |judge − vote|, the judge's two orders joined into 0, ½ or 1. */
  readonly agreement: number
  /** Middle 95 % of draws of pairs; absent where none was asked for. */
  readonly interval?: readonly [low: number, high: number]
  /** Cohen's, with |judge − vote| as the weight of a disagreement: 0 is chance, 1 is always. */
  readonly kappa: number
  /** The same agreement between two people on one pair; undefined where no pair has two votes. */
  readonly peopleAgreement: number | undefined
  /** Share of pairs on which the judge prefers the same place in both orders. */
  readonly flips: number
  /** Mean preference for the answer that is shown first: ½ is none. */
  readonly firstPlace: number
  readonly longer: Liking | undefined
  readonly moreListItems: Liking | undefined
  /** By which the logarithm of the judge's odds is to be divided to meet the votes; undefined where the judge gives no odds or meets none. */
  readonly temperature: number | undefined
  readonly pairs: number
  readonly votes: number
}

/** Throws TooLittleJudged without pairs. */
export function calibrate(pairs: readonly VotedPair[], resampling?: Resampling): Calibration {
  if (pairs.length === 0) throw new TooLittleJudged("holds no pair that both people and the judge compared")
  const tallies = pairs.map(tallyOf)
  const all = sumOf(tallies, () => 1)
  return {
    agreement: agreementOf(all),
    ...(resampling && { interval: drawnAgreement(tallies, resampling) }),
    kappa: kappaOf(pairs),
    peopleAgreement: betweenPeople(pairs),
    flips: meanOf(pairs, ({ judged: [first, second] }) => Number((first - 0.5) * (second - 0.5) < 0)),
    firstPlace: meanOf(pairs, ({ judged: [first, second] }) => (1 - first + second) / 2),
    longer: likingOf(pairs, ({ lengths }) => lengths),
    moreListItems: likingOf(pairs, ({ listItems }) => listItems),
    temperature: temperatureOf(pairs),
    pairs: pairs.length,
    votes: all.votes,
  }
}

const meanOf = (pairs: readonly VotedPair[], value: (pair: VotedPair) => number) =>
  pairs.reduce((sum, pair) => sum + value(pair), 0) / pairs.length

/** Orders that disagree are a tie. */
export function decisionOf([inOrder, swapped]: VotedPair["judged"]): number {
  const [first, second] = [sideOf(inOrder), sideOf(swapped)]
  return first === second ? first : 0.5
}

const sideOf = (preference: number) => (preference > 0.5 ? 1 : preference < 0.5 ? 0 : 0.5)

interface Tally {
  readonly distance: number
  readonly votes: number
}

function tallyOf({ votes, judged }: VotedPair): Tally {
  const decision = decisionOf(judged)
  return { distance: votes.reduce((sum, vote) => sum + Math.abs(decision - vote), 0), votes: votes.length }
}

function sumOf(tallies: readonly Tally[], times: (index: number) => number): Tally {
  let [distance, votes] = [0, 0]
  tallies.forEach((tally, index) => {
    distance += times(index) * tally.distance
    votes += times(index) * tally.votes
  })
  return { distance, votes }
}

const agreementOf = ({ distance, votes }: Tally) => 1 - distance / votes

function drawnAgreement(tallies: readonly Tally[], { rounds, random }: Resampling): readonly [number, number] {
  return middle95(
    Array.from({ length: rounds }, () => {
      const times = drawCounts(tallies.length, random)
      return agreementOf(sumOf(tallies, (index) => times[index]!))
    }),
  )
}

const SIDES = [0, 0.5, 1] as const

/** 1 − observed / expected distance, the expected one of the two sides' shares; NaN where both always say the same one thing. */
function kappaOf(pairs: readonly VotedPair[]): number {
  const said = pairs.flatMap(({ votes, judged }) => votes.map((vote) => [decisionOf(judged), vote] as const))
  const observed = said.reduce((sum, [judge, vote]) => sum + Math.abs(judge - vote), 0) / said.length
  const shareOf = (who: 0 | 1, side: number) => said.filter((each) => each[who] === side).length / said.length
  let expected = 0
  for (const judge of SIDES)
    for (const vote of SIDES) expected += shareOf(0, judge) * shareOf(1, vote) * Math.abs(judge - vote)
  return 1 - observed / expected
}

/** Every two votes on one pair, each pair with the weight of its votes. */
function betweenPeople(pairs: readonly VotedPair[]): number | undefined {
  const several = pairs.filter(({ votes }) => votes.length > 1)
  if (several.length === 0) return undefined
  const total = several.reduce((sum, { votes }) => sum + votes.length, 0)
  const distance = several.reduce((sum, { votes }) => {
    const apart = votes.reduce(
      (all, vote, index) => all + votes.slice(index + 1).reduce((some, other) => some + Math.abs(vote - other), 0),
      0,
    )
    return sum + votes.length * (apart / ((votes.length * (votes.length - 1)) / 2))
  }, 0)
  return 1 - distance / total
}

function likingOf(
  pairs: readonly VotedPair[],
  sizesOf: (pair: VotedPair) => readonly [number, number] | undefined,
): Liking | undefined {
  const differing = pairs.filter((pair) => {
    const sizes = sizesOf(pair)
    return sizes !== undefined && sizes[0] !== sizes[1]
  })
  if (differing.length === 0) return undefined
  const towards = (pair: VotedPair, preference: number) => {
    const [first, second] = sizesOf(pair)!
    return second > first ? preference : 1 - preference
  }
  return {
    judge: meanOf(differing, (pair) => towards(pair, decisionOf(pair.judged))),
    people: meanOf(differing, (pair) =>
      towards(pair, pair.votes.reduce((sum, vote) => sum + vote, 0) / pair.votes.length),
    ),
    pairs: differing.length,
  }
}

/** Odds beyond this are a judge's certainty, and are not taken for more. */
const LEAST_SHARE = 1e-6

/** 1 / the slope of a logistic fit of the votes on the logarithm of the odds of the judge's mean preference. */
function temperatureOf(pairs: readonly VotedPair[]): number | undefined {
  if (pairs.every(({ judged }) => judged.every((preference) => SIDES.some((side) => side === preference))))
    return undefined
  const values = Float64Array.from(pairs, ({ judged: [first, second] }) => {
    const share = Math.min(1 - LEAST_SHARE, Math.max(LEAST_SHARE, (first + second) / 2))
    return Math.log(share / (1 - share))
  })
  const rows = { width: 1, perRow: 1, columns: new Uint32Array(pairs.length), values }
  const [slope] = fitSparseLogistic(
    rows,
    {
      games: Float64Array.from(pairs, ({ votes }) => votes.length),
      wins: Float64Array.from(pairs, ({ votes }) => votes.reduce((sum, vote) => sum + vote, 0)),
    },
    // As weak as a tenth of a vote: without it odds that are always right have no greatest likelihood.
    0.1,
  )
  return slope! > 0 ? 1 / slope! : undefined
}

export interface Bar {
  /** How far below people's agreement with each other the judge's may be; 0.05. */
  readonly margin?: number
  /** The agreement that is asked for where no pair has two votes; 0.6. */
  readonly otherwise?: number
  /** The least κ; none is asked for by default. */
  readonly kappa?: number
  /** The greatest share of pairs on which it goes by the place; any by default. */
  readonly flips?: number
  /** How much oftener than people it may prefer what is longer, or has more list items; any by default. */
  readonly liking?: number
}

/** Why a judge is not to be used, or undefined: it is below the bar. */
export function belowBar(measured: Calibration, bar: Bar = {}): string | undefined {
  const reasons = [tooFarFromPeople(measured, bar), ...tooBiased(measured, bar)].filter(
    (reason) => reason !== undefined,
  )
  return reasons.length === 0 ? undefined : `the judge ${reasons.join(", and ")}; take another judge`
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`

function tooFarFromPeople(
  { agreement, peopleAgreement }: Calibration,
  { margin = 0.05, otherwise = 0.6 }: Bar,
): string | undefined {
  if (agreement >= (peopleAgreement === undefined ? otherwise : peopleAgreement - margin)) return undefined
  return peopleAgreement === undefined
    ? `goes with people at ${percent(agreement)}, below the ${percent(otherwise)} that are asked for`
    : `goes with people at ${percent(agreement)}, and they with each other at ${percent(peopleAgreement)}, more than ${percent(margin)} above`
}

function tooBiased({ kappa: measured, flips: share, longer, moreListItems }: Calibration, bar: Bar) {
  const { kappa = Number.NEGATIVE_INFINITY, flips = 1, liking = 1 } = bar
  const likes = (of: Liking | undefined, what: string) =>
    of !== undefined && of.judge - of.people > liking
      ? `takes ${what} ${percent(of.judge)} of the times, and people ${percent(of.people)}`
      : undefined
  return [
    // κ of two that always say one thing is no number, and no agreement beyond chance either.
    bar.kappa !== undefined && !(measured >= kappa) ? `has a κ of ${measured.toFixed(2)}, below ${kappa}` : undefined,
    share > flips ? `goes by the place on ${percent(share)} of the pairs` : undefined,
    likes(longer, "the longer answer"),
    likes(moreListItems, "the answer with more list items"),
  ]
}
