// How far one evaluation tells that a model's answers are better than another's: e-values, by bets (statistics/betting.ts) on its prompts in an order
// that is drawn once, in which every group of the suite is spread evenly. An e-value of 20 says that what is denied comes out so by chance once in
// twenty at most, whenever one looks; those of evaluations with prompts of their own may be multiplied, and looked at after each.
import { afterValue, logEvidence, startBetting } from "../statistics/betting.ts"
import { SeededRandom } from "../statistics/seeded-random.ts"
import { stratifiedOrder } from "../statistics/stratified-order.ts"

export interface WinEvidence {
  /** Against "its answers win no more often than they lose". */
  readonly better: number
  /** Against "they lose no more often than they win". */
  readonly worse: number
}

/** Of no prompt, and where the bets came to nothing. */
export const NO_EVIDENCE: WinEvidence = { better: 1, worse: 1 }

/** So that products of many stay numbers. */
const GREATEST = 1e100

const bounded = (evidence: number): number => Math.min(GREATEST, Math.max(1 / GREATEST, evidence))

/** Of each prompt 1 where the answers won, ½ where nobody did, 0 where they lost, and its group. RangeError for other values than from 0 to 1. */
export const winEvidence = (verdicts: readonly number[], groups: readonly string[]): WinEvidence => {
  const random = new SeededRandom(0, "evidence")
  const order = stratifiedOrder(groups, () => random.unit())
  const betting = order.reduce((before, index) => afterValue(before, verdicts[index]!), startBetting())
  const of = (side: "above" | "below") => bounded(Math.exp(logEvidence(betting, side)))
  return { better: of("above"), worse: of("below") }
}

/** Of two evaluations whose prompts have nothing to do with each other. */
export const bothEvidence = (one: WinEvidence, other: WinEvidence): WinEvidence => ({
  better: bounded(one.better * other.better),
  worse: bounded(one.worse * other.worse),
})

/** The same seen from the other model. */
export const fromTheOther = ({ better, worse }: WinEvidence): WinEvidence => ({ better: worse, worse: better })
