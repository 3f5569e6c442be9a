// What a judge behind an endpoint is asked of answers to a suite, and what its verdicts come to: a pair for each sample of each prompt, and the suite's
// own pairs in both orders. Whoever asks and whoever counts go by it alike.
import type { JudgeAccuracy } from "#shared/domain/WinRate.ts"
import { meanOf, meanOfAll, type ValuedPrompt } from "#shared/evaluation/judge/answer-win-rate.ts"
import type { AskedRun } from "#shared/evaluation/judge/asked-run.ts"
import type { PairToJudge } from "#shared/evaluation/judge/judged-pairs.ts"
import { shownTurns } from "#shared/evaluation/judge/prompt-set.ts"
import { PROTOCOLS } from "#shared/evaluation/judge/protocol.ts"
import { type AnswerBook, pairValue } from "#shared/evaluation/judge/verdict-rows.ts"
import type { RewardedPair } from "#shared/evaluation/reward-accuracy.ts"
import type { SuitePrompt } from "#shared/judgement/sources/prompt-suite.ts"
import type { Text } from "#shared/judgement/sources/record.ts"
import type { Answers } from "#shared/wire/responses.ts"
import { accuracyOf } from "./judged-answers.ts"

const shown = (text: Text): string => (typeof text === "string" ? text : shownTurns(text))

/** The candidate's answers beside another's: the n-th to a prompt beside the n-th. */
export const pairsOfAnswers = (
  suite: readonly SuitePrompt[],
  candidate: readonly Answers[],
  against: readonly Answers[],
): PairToJudge[] =>
  suite.flatMap(({ id, prompt }, index) =>
    candidate[index]!.responses.map(({ text }, sample) => ({
      ...{ id, instruction: shown(prompt), model: text },
      baseline: against[index]!.responses[sample]!.text,
    })),
  )

/** What people compared: the rejected answer is the first, so that they all vote for the second. */
export const pairsOfPeople = (suite: readonly SuitePrompt[]): PairToJudge[] =>
  suite.flatMap(({ id, prompt, stated }) =>
    stated === undefined
      ? []
      : [
          {
            ...{ id, instruction: shown(prompt), votes: [1] },
            ...{ baseline: shown(stated.rejected), model: shown(stated.chosen) },
          },
        ],
  )

/** How far the judge prefers the candidate, prompt by prompt; undefined where what was asked is not of the suite. */
export const valuedPrompts = (
  suite: readonly SuitePrompt[],
  { pairs, protocol }: AskedRun,
  book: AnswerBook,
): ValuedPrompt[] | undefined => {
  const samples = pairs.length / suite.length
  if (!Number.isInteger(samples) || samples === 0) return undefined
  const isOf = ({ id }: (typeof pairs)[number], index: number) => id === suite[Math.floor(index / samples)]!.id
  if (!pairs.every(isOf)) return undefined
  return suite.map(({ groups }, index) => {
    const own = pairs.slice(index * samples, (index + 1) * samples)
    return {
      groups,
      preference: meanOfAll(own.map((pair) => pairValue(pair, PROTOCOLS[protocol], book))),
      candidateLength: meanOf(own.map(({ modelLength }) => modelLength)),
      againstLength: meanOf(own.map(({ baselineLength }) => baselineLength)),
    }
  })
}

/** How far the judge goes with people; what contradicts itself between the two orders is a tie, which is wrong. */
export const askedAccuracy = ({ pairs, protocol }: AskedRun, book: AnswerBook): JudgeAccuracy | undefined =>
  accuracyOf(
    pairs.flatMap((pair): RewardedPair[] => {
      const chosen = pairValue(pair, PROTOCOLS[protocol], book)
      if (chosen === undefined) return []
      return [
        {
          ...{ chosen, rejected: 1 - chosen },
          ...{ chosenLength: pair.modelLength, rejectedLength: pair.baselineLength },
        },
      ]
    }),
  )
