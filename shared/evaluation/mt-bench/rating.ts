// MT-Bench's verdicts in a judge's answer: a rating from 1 to 10, or which of two answers is better, whose two orders must agree.

const RATING = /\[\[(\d+(?:\.\d*)?)\]\]/g
export const LEAST_RATING = 1
export const GREATEST_RATING = 10

/**
 * The first number on the scale between double brackets; undefined where there is none. Single brackets, which the authors fall back to, are not
 * read: in answers that were cut off they are mostly an index in quoted code.
 */
export function readRating(text: string): number | undefined {
  const numbers = [...text.matchAll(RATING)].map(([, number]) => Number(number))
  return numbers.find((number) => number >= LEAST_RATING && number <= GREATEST_RATING)
}

/** Which answer a judge prefers of the two that it was shown. */
export type Preferred = "A" | "B" | "tie"

const CHOICE = /\[\[([ABC])\]\]/g

/** [[A]], [[B]], or [[C]] for a tie; undefined where there is none, and where there are several that differ. */
export function readPreferred(text: string): Preferred | undefined {
  const choices = new Set([...text.matchAll(CHOICE)].map(([, choice]) => choice!))
  if (choices.size !== 1) return undefined
  const [choice] = choices
  return choice === "C" ? "tie" : (choice as "A" | "B")
}

/** What two orders say of the model: 1 better, 0 worse, ½ as good. */
export interface TwoOrders {
  readonly score: number
  /** The judge went with the place rather than with the answer: each order preferred another one. */
  readonly isFlip: boolean
}

/** The model was shown as A in the first order, as B in the second. Where they disagree it is a tie; undefined where either has no verdict. */
export function joinOrders(first: Preferred | undefined, second: Preferred | undefined): TwoOrders | undefined {
  if (first === undefined || second === undefined) return undefined
  const scores = [scoreOf(first, "A"), scoreOf(second, "B")]
  return { score: scores[0] === scores[1] ? scores[0]! : 0.5, isFlip: Math.abs(scores[0]! - scores[1]!) === 1 }
}

const scoreOf = (preferred: Preferred, model: "A" | "B") => (preferred === "tie" ? 0.5 : preferred === model ? 1 : 0)
