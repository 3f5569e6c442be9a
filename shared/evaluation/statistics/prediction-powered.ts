// The mean that people would give, from a judge's word on everything and people's on a part of it: the judge's mean, mended by how far people are from
// the judge where both were asked (Angelopoulos et al. 2023), as much of it as lowers the variance (PPI++, arXiv 2311.01453, equation 5). The people's
// part must have been chosen by chance.
import { TooLittleJudged } from "../evaluation-error.ts"
import { studentQuantile95 } from "./mean-interval.ts"

export interface DoublyJudged {
  readonly judge: number
  readonly human: number
}

export interface AnchoredMean {
  readonly mean: number
  /** 95 % interval. */
  readonly low: number
  readonly high: number
  /** λ from 0, the judge is not heeded, to 1, it is taken at its word but for its mean error. */
  readonly judgeWeight: number
  readonly labelled: number
  readonly judgedAlone: number
  /** Of the people's part alone, to stand beside it. */
  readonly humanOnly: { readonly mean: number; readonly low: number; readonly high: number }
}

const LEAST_LABELLED = 2

/**
 * λ·mean(judge alone) + mean(human − λ·judge over the labelled). Its estimated variance λ²·Var(judge alone)/N + Var(human − λ·judge)/n is the least
 * for the λ that is taken, so that its interval is never wider than people's alone, whatever the judge is. One value a prompt: several judgements
 * of one prompt are to be averaged before. Throws TooLittleJudged.
 */
export function predictionPoweredMean(labelled: readonly DoublyJudged[], judgedAlone: readonly number[]): AnchoredMean {
  const count = labelled.length
  if (count < LEAST_LABELLED) {
    throw new TooLittleJudged(`people judged ${count} of the prompts; an interval needs at least ${LEAST_LABELLED}`)
  }
  const human = momentsOf(labelled.map((each) => each.human))
  const judge = momentsOf(labelled.map((each) => each.judge))
  const alone = momentsOf(judgedAlone)
  const covariance =
    labelled.reduce((sum, each) => sum + (each.human - human.mean) * (each.judge - judge.mean), 0) / (count - 1)
  const heeded = judge.variance / count + (judgedAlone.length < 2 ? Infinity : alone.variance / judgedAlone.length)
  const judgeWeight = heeded > 0 ? Math.min(1, Math.max(0, covariance / count / heeded)) : 0
  const varianceOf = (weight: number) =>
    (human.variance - 2 * weight * covariance + weight ** 2 * judge.variance) / count +
    (weight === 0 ? 0 : (weight ** 2 * alone.variance) / judgedAlone.length)
  const mean = human.mean + (judgeWeight === 0 ? 0 : judgeWeight * (alone.mean - judge.mean))
  const reach = (weight: number) => studentQuantile95(count - 1) * Math.sqrt(Math.max(0, varianceOf(weight)))
  return {
    ...around(mean, reach(judgeWeight)),
    judgeWeight,
    labelled: count,
    judgedAlone: judgedAlone.length,
    humanOnly: around(human.mean, reach(0)),
  }
}

const around = (mean: number, reach: number) => ({ mean, low: mean - reach, high: mean + reach })

function momentsOf(values: readonly number[]) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return { mean, variance: values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1) }
}
