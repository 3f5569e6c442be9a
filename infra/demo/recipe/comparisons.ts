// Comparisons of two answers to one question, labelled by people who follow the setting's rule and sometimes err.
import { type Answer, makeAnswer, makeParts, makeQuestion, type Question } from "./conversations.ts"
import type { SeededRandom } from "./random.ts"
import { answerWorth } from "./styles.ts"
import { LANGUAGES, SETTINGS } from "./topics.ts"

export interface Annotator {
  readonly name: string
  /** the number that Label Studio knows this person by */
  readonly labelStudioId: number
  /** probability that a label is the opposite of the rule's */
  readonly errorRate: number
}

export const ANNOTATORS: readonly Annotator[] = [
  { name: "hana", labelStudioId: 3, errorRate: 0.02 },
  { name: "kenji", labelStudioId: 4, errorRate: 0.03 },
  { name: "lena", labelStudioId: 7, errorRate: 0.05 },
  { name: "marco", labelStudioId: 9, errorRate: 0.06 },
  { name: "aiko", labelStudioId: 12, errorRate: 0.08 },
  { name: "tom", labelStudioId: 15, errorRate: 0.1 },
  { name: "yuki", labelStudioId: 16, errorRate: 0.13 },
]

/** Position of a candidate as it is shown: the first or the second. */
export type Side = 0 | 1

export interface LabelledComparison {
  readonly id: string
  readonly question: Question
  readonly answers: readonly [Answer, Answer]
  readonly annotator: Annotator
  /** which answer the setting's rule prefers */
  readonly better: Side
  /** which answer the annotator chose */
  readonly labelled: Side
}

/** Each setting in each language gets this many. */
const COMPARISONS_PER_CELL = 107
/** The better answer is worth at least this much more than the other: a close call teaches nothing that noise would not hide. */
const MINIMUM_WORTH_GAP = 5
const MAXIMUM_TOKENS = 96

/** Tokens of a prompt with one response, in the chat form. */
export type CountTokens = (prompt: string, response: string) => number

/** Labelled comparisons with distinct prompts, settings and languages mixed, candidates in random order. */
export function makeComparisons(random: SeededRandom, countTokens: CountTokens): LabelledComparison[] {
  const cells = SETTINGS.flatMap((setting) => LANGUAGES.map((language) => ({ setting, language })))
  const planned = random.shuffled(cells.flatMap((cell) => Array.from({ length: COMPARISONS_PER_CELL }, () => cell)))
  const prompts = new Set<string>()
  return planned.map(({ setting, language }, index) => {
    const question = makeDistinctQuestion(random, setting, language, prompts)
    const [good, poor] = makeAnswerPair(random, question, countTokens)
    const better: Side = random.chance(0.5) ? 0 : 1
    const annotator = random.pick(ANNOTATORS)
    const hasErred = random.chance(annotator.errorRate)
    return {
      id: `row-${String(index + 1).padStart(4, "0")}`,
      question,
      answers: better === 0 ? [good, poor] : [poor, good],
      annotator,
      better,
      labelled: hasErred ? ((1 - better) as Side) : better,
    }
  })
}

/** A question whose prompt is not yet in `prompts`; adds it. */
export function makeDistinctQuestion(
  random: SeededRandom,
  setting: Question["setting"],
  language: Question["language"],
  prompts: Set<string>,
): Question {
  for (;;) {
    const question = makeQuestion(random, setting, language, true)
    if (prompts.has(question.prompt)) continue
    prompts.add(question.prompt)
    return question
  }
}

/**
 * An answer in the setting's own voice and one in another's, the first worth clearly more. Because every setting's voice is
 * home once and foreign twice, a part is as often in the better answers as in the poorer ones over the whole set.
 */
export function makeAnswerPair(random: SeededRandom, question: Question, countTokens: CountTokens): [Answer, Answer] {
  const { setting, prompt } = question
  const foreignVoices = SETTINGS.filter((voice) => voice !== setting)
  for (;;) {
    const good = makeAnswer(random, question, makeParts(random, setting))
    const poor = makeAnswer(random, question, makeParts(random, random.pick(foreignVoices)))
    if (answerWorth(good.parts, setting) - answerWorth(poor.parts, setting) < MINIMUM_WORTH_GAP) continue
    if ([good, poor].every(({ text }) => countTokens(prompt, text) <= MAXIMUM_TOKENS)) return [good, poor]
  }
}
