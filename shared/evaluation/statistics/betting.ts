// Evidence on a mean that may be looked at after every value: wealth from bets against the hypothesis that values in [0, 1] have a given mean. While
// it holds, wealth is a martingale from 1, so that the chance that it ever reaches 1/α is at most α (Ville), whenever one stops. Bets are made as
// Waudby-Smith and Ramdas approximate the best ones (arXiv 2010.09686, aGRAPA), from the values before them alone.

/** Plain JSON, so that it goes on where it stopped. */
export interface Betting {
  /** The mean under the hypothesis, in (0, 1): ½ where none is better, ½ − δ for "worse by no more than δ". */
  readonly nullMean: number
  readonly count: number
  readonly sum: number
  /** Σ (x − the running mean before it)² */
  readonly squares: number
  /** Logarithm of the wealth of bets on a mean above, and below. */
  readonly logAbove: number
  readonly logBelow: number
}

/** either: the mean is another; above, below: it is greater, or less, against "at most" and "at least". */
export type Side = "either" | "above" | "below"

/** What the running mean and variance start from, with the weight of one value. */
const PRIOR_MEAN = 0.5
const PRIOR_VARIANCE = 0.25
const GREATEST_BET = 1.5
/** The greatest share of the wealth that one value may take, whatever the mean: at ½ the greatest bet itself. */
const GREATEST_LOSS = 0.75

/** RangeError for a mean that leaves nothing to bet on. */
export function startBetting(nullMean = 0.5): Betting {
  if (!(nullMean > 0 && nullMean < 1))
    throw new RangeError(`a mean of values in [0, 1] is tested in (0, 1), not ${nullMean}`)
  return { nullMean, count: 0, sum: 0, squares: 0, logAbove: 0, logBelow: 0 }
}

/** RangeError for a value outside [0, 1]: win 1, tie ½, a judge's probability, or (candidate − champion + 1) / 2 on one prompt. */
export function afterValue(betting: Betting, value: number): Betting {
  if (!(value >= 0 && value <= 1)) throw new RangeError(`bets are on values in [0, 1], not ${value}`)
  const { nullMean, count, sum, squares, logAbove, logBelow } = betting
  // The bet, before the value is looked at.
  const mean = (PRIOR_MEAN + sum) / (count + 1)
  const variance = (PRIOR_VARIANCE + squares) / (count + 1)
  const bet = (mean - nullMean) / (variance + (mean - nullMean) ** 2)
  const above = clip(bet, Math.min(GREATEST_BET, GREATEST_LOSS / nullMean))
  const below = clip(-bet, Math.min(GREATEST_BET, GREATEST_LOSS / (1 - nullMean)))
  return {
    nullMean,
    count: count + 1,
    sum: sum + value,
    squares: squares + (value - mean) ** 2,
    logAbove: logAbove + Math.log1p(above * (value - nullMean)),
    logBelow: logBelow + Math.log1p(below * (nullMean - value)),
  }
}

const clip = (bet: number, most: number) => Math.min(most, Math.max(0, bet))

/** Logarithm of the e-value: of either side, of the mean of both wealths. */
export function logEvidence({ logAbove, logBelow }: Betting, side: Side): number {
  if (side === "above") return logAbove
  if (side === "below") return logBelow
  const greater = Math.max(logAbove, logBelow)
  return greater + Math.log((Math.exp(logAbove - greater) + Math.exp(logBelow - greater)) / 2)
}

/** On which side the mean is, once the evidence is 1/α; undefined before. A caller stops at the first answer: later values may undo it. */
export function decisionOf(betting: Betting, alpha: number, side: Side = "either"): "above" | "below" | undefined {
  if (!(alpha > 0 && alpha < 1)) throw new RangeError(`alpha is in (0, 1), not ${alpha}`)
  if (logEvidence(betting, side) < -Math.log(alpha)) return undefined
  if (side !== "either") return side
  return betting.logAbove > betting.logBelow ? "above" : "below"
}

export interface Decided {
  readonly decision: "above" | "below" | undefined
  /** Values looked at: those after a decision were not needed. */
  readonly looked: number
  readonly betting: Betting
}

/** Values in their order until the evidence stands, or all of them. */
export function decideInOrder(
  values: Iterable<number>,
  { alpha, nullMean, side }: { readonly alpha: number; readonly nullMean?: number; readonly side?: Side },
): Decided {
  let betting = startBetting(nullMean)
  for (const value of values) {
    betting = afterValue(betting, value)
    const decision = decisionOf(betting, alpha, side)
    if (decision !== undefined) return { decision, looked: betting.count, betting }
  }
  return { decision: undefined, looked: betting.count, betting }
}
