// How often a candidate's answers are better than another model's to the same prompts, from what a tuned model gives for each (implicit-reward.ts):
// counted, as the mean of its probabilities, and at equal length. A prompt counts once, whatever the number of its answers.
import { wilsonInterval } from "#shared/methods/accuracy.ts"
import { type Annotation, DRAW, isJudged } from "../alpaca-eval/annotation.ts"
import { lengthControlled } from "../alpaca-eval/length-controlled.ts"
import { rawWinRate } from "../alpaca-eval/raw-win-rate.ts"
import { winRateIntervals } from "../alpaca-eval/refit-bootstrap.ts"
import { FitNotReached, TooLittleJudged } from "../evaluation-error.ts"
import { studentQuantile95 } from "../statistics/mean-interval.ts"
import { SeededRandom } from "../statistics/seeded-random.ts"
import { implicitPreference, type JudgedResponse, type RewardRule } from "./implicit-reward.ts"
import { type WinEvidence, winEvidence } from "./win-evidence.ts"

export interface JudgedAnswer {
  /** `empty`: an answer without a token, which loses to any other. Undefined where the judge cannot score it. */
  readonly score: JudgedResponse | "empty" | undefined
  /** Code points. */
  readonly length: number
}

export interface ComparedPrompt {
  /** What it is one of, by name. */
  readonly groups: Readonly<Record<string, string>>
  /** As many of either; the n-th is held against the n-th. */
  readonly candidate: readonly JudgedAnswer[]
  readonly against: readonly JudgedAnswer[]
}

export interface CountedWins {
  readonly wins: number
  readonly losses: number
  readonly ties: number
  /** Wins and half of the ties, as a share, with Wilson's 95 % interval. */
  readonly rate: number
  readonly low: number
  readonly high: number
}

export interface AnswerWinRate extends CountedWins {
  /** The mean of the judge's probabilities; Student's 95 % interval, all of [0, 1] for a single prompt. */
  readonly preference: {
    readonly mean: number
    readonly standardError: number
    readonly low: number
    readonly high: number
  }
  /** Absent where length cannot be told from quality, or verdicts are too few to control it. */
  readonly lengthControlled?: { readonly rate: number; readonly low: number; readonly high: number }
  readonly meanLength: { readonly candidate: number; readonly against: number }
  readonly notJudged: number
  readonly evidence: WinEvidence
  readonly groups: readonly (CountedWins & { readonly key: string; readonly value: string })[]
}

/** Draws of the prompts behind the interval at equal length. */
const DRAWS = 200
/** A name with more values than these is no group but an identifier. */
const MOST_VALUES = 20

/** Throws TooLittleJudged where no prompt was judged. */
export const answerWinRate = (prompts: readonly ComparedPrompt[], rule: RewardRule): AnswerWinRate =>
  winRateOfValues(prompts.map((prompt) => preferred(prompt, rule)))

/** A prompt by how far a judge prefers the candidate's answers, however it said so. */
export interface ValuedPrompt {
  readonly groups: ComparedPrompt["groups"]
  /** From 0 to 1; undefined: it has no verdict. */
  readonly preference: number | undefined
  /** Code points of an answer, on the mean. */
  readonly candidateLength: number
  readonly againstLength: number
}

/** Throws TooLittleJudged where no prompt was judged. */
export function winRateOfValues(prompts: readonly ValuedPrompt[]): AnswerWinRate {
  const annotations = prompts.map(annotationOf)
  if (!annotations.some(isJudged))
    throw new TooLittleJudged(
      "the judge could score the answers to no prompt; look at the suite's prompts and at the judge's model",
    )
  const { winRate, standardError, judged } = rawWinRate(annotations)
  const [mean, error] = [winRate / 100, standardError / 100]
  const reach = judged === 1 ? 1 : studentQuantile95(judged - 1) * error
  const controlled = atEqualLength(annotations)
  return {
    ...countedWins(annotations),
    preference: {
      ...{ mean, standardError: error },
      ...{ low: Math.max(0, mean - reach), high: Math.min(1, mean + reach) },
    },
    ...(controlled === undefined ? {} : { lengthControlled: controlled }),
    meanLength: {
      candidate: meanOf(annotations.map(({ modelLength }) => modelLength)),
      against: meanOf(annotations.map(({ baselineLength }) => baselineLength)),
    },
    notJudged: annotations.length - judged,
    evidence: evidenceIn(prompts, annotations),
    groups: groupsOf(prompts, annotations),
  }
}

export const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

function preferred({ groups, candidate, against }: ComparedPrompt, rule: RewardRule): ValuedPrompt {
  const preferences = candidate.map((answer, index) => preferenceBetween(answer, against[index]!, rule))
  return {
    groups,
    preference: meanOfAll(preferences),
    candidateLength: meanOf(candidate.map(({ length }) => length)),
    againstLength: meanOf(against.map(({ length }) => length)),
  }
}

/** Undefined where one of them is, or there are none. */
export const meanOfAll = (values: readonly (number | undefined)[]): number | undefined =>
  values.length > 0 && values.every((value) => value !== undefined) ? meanOf(values as number[]) : undefined

/** In AlpacaEval's terms, whose statistics are used: the candidate is the model, the other the baseline. */
const annotationOf = (
  { preference, candidateLength, againstLength }: ValuedPrompt,
  instruction: number,
): Annotation => ({
  instruction,
  preference: preference === undefined ? undefined : 1 + preference,
  modelLength: candidateLength,
  baselineLength: againstLength,
})

function preferenceBetween(candidate: JudgedAnswer, against: JudgedAnswer, rule: RewardRule): number | undefined {
  const [one, other] = [candidate.score, against.score]
  if (one === undefined || other === undefined) return undefined
  if (one === "empty" || other === "empty") return (Number(other === "empty") - Number(one === "empty") + 1) / 2
  return implicitPreference(one, other, rule)
}

function countedWins(annotations: readonly Annotation[]): CountedWins {
  const { wins, baselineWins: losses, draws: ties, judged } = rawWinRate(annotations)
  return { wins, losses, ties, rate: (wins + ties / 2) / judged, ...wilsonInterval(wins + ties / 2, judged) }
}

function evidenceIn(
  prompts: readonly Pick<ComparedPrompt, "groups">[],
  annotations: readonly Annotation[],
): WinEvidence {
  const judged = annotations.filter(isJudged)
  const verdicts = judged.map(({ preference }) => (1 + Math.sign(preference - DRAW)) / 2)
  const groups = judged.map(({ instruction }) => JSON.stringify(Object.entries(prompts[instruction]!.groups).sort()))
  return winEvidence(verdicts, groups)
}

function atEqualLength(annotations: readonly Annotation[]): AnswerWinRate["lengthControlled"] {
  const data = { annotations, gamed: [], difficulties: undefined }
  try {
    const controlled = lengthControlled(data)
    const random = new SeededRandom(0, "win rate at equal length")
    const { lengthControlled: interval } = winRateIntervals(data, controlled, {
      rounds: DRAWS,
      random: () => random.unit(),
    })
    return interval && { rate: controlled.winRate / 100, low: interval[0] / 100, high: interval[1] / 100 }
  } catch (error) {
    if (error instanceof TooLittleJudged || error instanceof FitNotReached) return undefined
    throw error
  }
}

function groupsOf(prompts: readonly ValuedPrompt[], annotations: readonly Annotation[]): AnswerWinRate["groups"] {
  const keys = [...new Set(prompts.flatMap(({ groups }) => Object.keys(groups)))].sort()
  return keys.flatMap((key) => {
    const byValue = Map.groupBy(annotations, ({ instruction }) => groupOf(prompts[instruction]!, key))
    byValue.delete(undefined)
    if (byValue.size > MOST_VALUES) return []
    return [...byValue.entries()]
      .filter(([, some]) => some.some(isJudged))
      .sort(([one], [other]) => (one! < other! ? -1 : 1))
      .map(([value, some]) => ({ key, value: value!, ...countedWins(some) }))
  })
}

const groupOf = ({ groups }: ValuedPrompt, key: string): string | undefined =>
  Object.hasOwn(groups, key) ? groups[key] : undefined
