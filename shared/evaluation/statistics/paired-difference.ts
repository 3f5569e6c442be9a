// Which of two checkpoints is better on the same prompts: the difference of their means, and its interval by drawing prompts. What both share at a prompt
// (its difficulty, the baseline's answer) cancels, which the intervals of the two means cannot show.
import { TooLittleJudged } from "../evaluation-error.ts"
import { middle95 } from "./percentile.ts"
import { drawCounts, type Resampling } from "./resampling.ts"

/** Σ w·s and Σ w of what was judged at one prompt. */
export interface PromptScore {
  readonly total: number
  readonly weight: number
}

export type ScoresByPrompt = ReadonlyMap<string, PromptScore>

export interface PairedDifference {
  /** Mean of the candidate less that of the champion, on the prompts of both. */
  readonly difference: number
  /** Middle 95 % of draws of prompts. */
  readonly low: number
  readonly high: number
  readonly prompts: number
  /** Prompts that were judged of one alone, and tell nothing here. */
  readonly unpaired: number
}

/** Throws TooLittleJudged where no prompt is shared. */
export function pairedDifference(
  candidate: ScoresByPrompt,
  champion: ScoresByPrompt,
  { rounds, random }: Resampling,
): PairedDifference {
  const prompts = [...candidate.keys()].filter((prompt) => champion.has(prompt)).toSorted()
  if (prompts.length === 0)
    throw new TooLittleJudged("the two have no prompt in common; judge both on the same prompts")
  const pairs = prompts.map((prompt) => [candidate.get(prompt)!, champion.get(prompt)!] as const)
  const drawn = Array.from({ length: rounds }, () => differenceOf(pairs, drawCounts(pairs.length, random)))
  const [low, high] = middle95(drawn)
  return {
    difference: differenceOf(pairs, new Uint32Array(pairs.length).fill(1)),
    low,
    high,
    prompts: prompts.length,
    unpaired: candidate.size + champion.size - 2 * prompts.length,
  }
}

function differenceOf(pairs: readonly (readonly [PromptScore, PromptScore])[], times: Uint32Array): number {
  const meanOf = (side: 0 | 1) => {
    let total = 0
    let weight = 0
    pairs.forEach((pair, index) => {
      total += times[index]! * pair[side].total
      weight += times[index]! * pair[side].weight
    })
    return total / weight
  }
  return meanOf(0) - meanOf(1)
}
