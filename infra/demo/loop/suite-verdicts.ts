// What answers to the suite of work settings come to by rules alone: which are to the point, and how often a model's are better than the base's. An
// answer to the point is better than one that is not; between two that are alike in this, the rule decides that the demo's labellers follow. The same
// answers give the same numbers, and no model is asked.
import { worthIn } from "#infra/demo/recipe/recognise-parts.ts"
import { type CheckedPrompt, isToThePoint } from "#shared/evaluation/judge/work-settings.ts"
import { wilsonInterval } from "#shared/methods/accuracy.ts"

export interface Verdicts {
  readonly wins: number
  readonly losses: number
  readonly ties: number
}

/** Wins and half of the ties, as a share of all, with Wilson's 95 % interval. */
export interface CountedRate extends Verdicts {
  readonly rate: number
  readonly low: number
  readonly high: number
}

export const METHODS = ["alphaDpo", "simpo", "dpo"] as const
export type Method = (typeof METHODS)[number]

export type OfMethods<A> = Readonly<Record<Method, A | null>>

export interface SuiteAnswers {
  readonly evaluationId: string
  readonly prompts: number
  /** Most tokens of an answer. */
  readonly maxTokens: number
  /** Answers that are to the point. A method that did not run is null. */
  readonly toThePoint: OfMethods<number> & { readonly base: number }
  /** Against the base's answers: to the point first, then by the rule that the labellers follow. */
  readonly byRule: OfMethods<CountedRate>
  /** Against the base's answers, as an adapter of the demo judges by what it learnt. Its own are not judged: null. */
  readonly byJudge: OfMethods<CountedRate> & { readonly judge: string }
}

export const rateOf = ({ wins, losses, ties }: Verdicts): CountedRate => {
  const [won, all] = [wins + ties / 2, wins + losses + ties]
  return { wins, losses, ties, rate: won / all, ...wilsonInterval(won, all) }
}

/** How many of the answers, one to each prompt, are to the point. */
export const countToThePoint = (prompts: readonly CheckedPrompt[], answers: readonly string[]): number =>
  prompts.filter((prompt, index) => isToThePoint(prompt, answers[index]!)).length

/** Above 0 where the first answer is the better one. */
const lead = (prompt: CheckedPrompt, one: string, other: string): number =>
  Number(isToThePoint(prompt, one)) - Number(isToThePoint(prompt, other)) ||
  worthIn(prompt.setting, one) - worthIn(prompt.setting, other)

/** Of one model's answers against another's, one to each prompt. */
export const rateByRule = (
  prompts: readonly CheckedPrompt[],
  answers: readonly string[],
  others: readonly string[],
): CountedRate => {
  const leads = prompts.map((prompt, index) => lead(prompt, answers[index]!, others[index]!))
  const count = (isOne: (value: number) => boolean) => leads.filter(isOne).length
  return rateOf({
    wins: count((value) => value > 0),
    losses: count((value) => value < 0),
    ties: count((value) => value === 0),
  })
}
