// How much longer one answer is than the other, as the regression sees it: tanh of the difference over the deviation of all differences.
// From alpaca_eval's metrics/glm_winrate.py: the sample deviation (n − 1), and differences that are not centred.
import { sampleMoments } from "#shared/methods/gap-statistics.ts"
import { TooLittleJudged } from "../evaluation-error.ts"

export interface AnswerLengths {
  readonly baselineLength: number
  readonly modelLength: number
}

/**
 * One feature in (−1, 1) a pair, positive where the baseline's answer is longer; all 0 where no pair differs in length. Throws TooLittleJudged where
 * all differ by the same amount: then length cannot be told from quality.
 */
export function lengthFeatures(pairs: readonly AnswerLengths[]): Float64Array {
  const differences = Float64Array.from(pairs, ({ baselineLength, modelLength }) => baselineLength - modelLength)
  if (differences.every((difference) => difference === 0)) return differences
  if (differences.every((difference) => difference === differences[0])) {
    throw new TooLittleJudged(
      `all ${pairs.length} pairs of answers differ in length by the same ${Math.abs(differences[0]!)} characters, so that length cannot be told from ` +
        "quality; judge more pairs, or use the raw win rate",
    )
  }
  const { std } = sampleMoments([...differences])
  return differences.map((difference) => Math.tanh(difference / std!))
}
