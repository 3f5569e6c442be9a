// What a judge's log-probs say of answers to a suite: each contestant's as statistics take them, and how far the judge goes with people. The loop and
// the command line count by it alike.
import type { JudgeAccuracy } from "#shared/domain/WinRate.ts"
import { codePointLength } from "#shared/evaluation/alpaca-eval/annotation.ts"
import type { JudgedAnswer } from "#shared/evaluation/judge/answer-win-rate.ts"
import { implicitReward, type RewardRule } from "#shared/evaluation/judge/implicit-reward.ts"
import { type RewardedPair, rewardAccuracy, type Share } from "#shared/evaluation/reward-accuracy.ts"
import type { SuitePrompt } from "#shared/judgement/sources/prompt-suite.ts"
import type { Text } from "#shared/judgement/sources/record.ts"
import type { AnswerScore, PromptScores } from "#shared/wire/answer-scores.ts"
import type { Answers } from "#shared/wire/responses.ts"

export interface AnswerLengths {
  readonly id: string | number
  /** Of each answer, code points. */
  readonly lengths: readonly number[]
}

export const lengthsOf = (answers: readonly Answers[]): AnswerLengths[] =>
  answers.map(({ id, responses }) => ({
    id,
    lengths: responses.map(({ text }) => codePointLength(text)),
  }))

const judgedResponse = ({ judge, reference, tokens }: Extract<AnswerScore, { readonly judge: number }>) => ({
  policy: { sum: judge, count: tokens },
  ...(reference === undefined ? {} : { reference: { sum: reference, count: tokens } }),
})

const answerOf = (score: AnswerScore, length: number): JudgedAnswer => {
  if ("unscored" in score) return { score: score.unscored === "empty" ? "empty" : undefined, length }
  return { score: judgedResponse(score), length }
}

/** A contestant's answers to each prompt; undefined where scores and answers are not of the suite. */
export const judgedAnswers = (
  name: string,
  suite: readonly SuitePrompt[],
  scores: readonly PromptScores[],
  lengths: readonly AnswerLengths[],
): JudgedAnswer[][] | undefined => {
  if (lengths.length !== suite.length) return undefined
  const answers = suite.map(({ id }, index) => {
    const [of, scored] = [lengths[index]!, scores[index]!.answers[name]]
    if (of.id !== id || scored === undefined || scored.length !== of.lengths.length) return undefined
    return scored.map((score, sample) => answerOf(score, of.lengths[sample]!))
  })
  return answers.every((each) => each !== undefined) ? answers : undefined
}

const textLength = (text: Text): number =>
  typeof text === "string"
    ? codePointLength(text)
    : text.reduce((sum, { content }) => sum + codePointLength(content), 0)

const shareOf = ({ accuracy, low, high, pairs }: Share) => ({ accuracy, low, high, pairs })

/** How far the judge goes with people, where the suite says what they preferred. */
export const judgeAccuracyOn = (
  suite: readonly SuitePrompt[],
  scores: readonly PromptScores[],
  rule: RewardRule,
): JudgeAccuracy | undefined =>
  accuracyOf(
    suite.flatMap(({ stated }, index): RewardedPair[] => {
      const scored = scores[index]!.stated
      if (stated === undefined || scored === undefined) return []
      const { chosen, rejected } = scored
      if ("unscored" in chosen || "unscored" in rejected) return []
      return [
        {
          chosen: implicitReward(judgedResponse(chosen), rule),
          rejected: implicitReward(judgedResponse(rejected), rule),
          chosenLength: textLength(stated.chosen),
          rejectedLength: textLength(stated.rejected),
        },
      ]
    }),
  )

/** Undefined without pairs. */
export const accuracyOf = (pairs: readonly RewardedPair[]): JudgeAccuracy | undefined => {
  if (pairs.length === 0) return undefined
  const { ties, longerWins, chosenLonger, chosenNotLonger, ...share } = rewardAccuracy(pairs)
  return {
    ...{ ...shareOf(share), ties, longerWins },
    ...(chosenLonger.pairs === 0 ? {} : { chosenLonger: shareOf(chosenLonger) }),
    ...(chosenNotLonger.pairs === 0 ? {} : { chosenNotLonger: shareOf(chosenNotLonger) }),
  }
}
