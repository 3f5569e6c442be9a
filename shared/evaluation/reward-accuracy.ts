// How often a reward (a method's own, a reward model's, a log-prob) puts the chosen response first, with guards against a reward that measures length.
// An exact tie is wrong here, as in RewardBench and TRL; shared/methods/accuracy.ts, by which methods are compared, counts it one half.
import { wilsonInterval } from "#shared/methods/accuracy.ts"
import { TooLittleJudged } from "./evaluation-error.ts"

export interface RewardedPair {
  readonly chosen: number
  readonly rejected: number
  /** In any one unit. */
  readonly chosenLength: number
  readonly rejectedLength: number
}

/** NaN and an empty interval of [0, 1] where no pair is of the kind. */
export interface Share {
  readonly accuracy: number
  readonly low: number
  readonly high: number
  readonly pairs: number
}

export interface RewardAccuracy extends Share {
  readonly ties: number
  /** Mean of chosen − rejected. */
  readonly margin: number
  /** Of the pairs whose chosen response is the longer one, and of the others: far apart where length is what the reward measures. */
  readonly chosenLonger: Share
  readonly chosenNotLonger: Share
  /** What "the longer one is chosen" reaches on the same pairs: to be beaten. */
  readonly longerWins: number
}

/** Whether the reward puts the chosen response first. */
export const isRight = ({ chosen, rejected }: RewardedPair): boolean => chosen > rejected

/** 95 % Wilson intervals. Throws TooLittleJudged without pairs, RangeError for a reward that is no number. */
export function rewardAccuracy(pairs: readonly RewardedPair[]): RewardAccuracy {
  if (pairs.length === 0) throw new TooLittleJudged("accuracy needs at least one pair")
  const bad = pairs.findIndex(({ chosen, rejected }) => Number.isNaN(chosen) || Number.isNaN(rejected))
  if (bad >= 0) throw new RangeError(`the reward of pair ${bad + 1} is no number`)
  const isChosenLonger = ({ chosenLength, rejectedLength }: RewardedPair) => chosenLength > rejectedLength
  return {
    ...shareOf(pairs),
    ties: pairs.filter(({ chosen, rejected }) => chosen === rejected).length,
    margin: pairs.reduce((sum, { chosen, rejected }) => sum + (chosen - rejected), 0) / pairs.length,
    chosenLonger: shareOf(pairs.filter(isChosenLonger)),
    chosenNotLonger: shareOf(pairs.filter((pair) => !isChosenLonger(pair))),
    longerWins: pairs.filter(isChosenLonger).length / pairs.length,
  }
}

function shareOf(pairs: readonly RewardedPair[]): Share {
  const right = pairs.filter(isRight).length
  if (pairs.length === 0) return { accuracy: NaN, low: 0, high: 1, pairs: 0 }
  return { accuracy: right / pairs.length, ...wilsonInterval(right, pairs.length), pairs: pairs.length }
}

export interface CheckpointDifference {
  /** Pairs that the first alone, and the second alone, has right. */
  readonly firstAlone: number
  readonly secondAlone: number
  /** Of McNemar's exact two-sided test that either is as often right where they differ. */
  readonly pValue: number
}

/** Whether each pair is right under two checkpoints, in one order. RangeError for lists of different lengths. */
export function compareCheckpoints(first: readonly boolean[], second: readonly boolean[]): CheckpointDifference {
  if (first.length !== second.length) throw new RangeError("two checkpoints are compared on the same pairs")
  const firstAlone = first.filter((right, index) => right && !second[index]).length
  const secondAlone = second.filter((right, index) => right && !first[index]).length
  return { firstAlone, secondAlone, pValue: mcNemar(firstAlone, secondAlone) }
}

/** 2·P(X ≤ the fewer) for X of Binomial(both, ½), at most 1; summed in logarithms, so that no power of ½ is lost. */
function mcNemar(one: number, other: number): number {
  const trials = one + other
  const fewer = Math.min(one, other)
  let logTerm = -trials * Math.LN2
  let sum = 0
  for (let successes = 0; successes <= fewer; successes++) {
    sum += Math.exp(logTerm)
    logTerm += Math.log((trials - successes) / (successes + 1))
  }
  return Math.min(1, 2 * sum)
}
