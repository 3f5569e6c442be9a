// Pairs of answers as the questions that a judge is asked about them, under a protocol: the same for whoever asks.

import { sha256Hex } from "#shared/formats/digest.ts"
import { codePointLength } from "../alpaca-eval/annotation.ts"
import { markdownCounts } from "../arena-hard/markdown-counts.ts"
import type { AskedPair } from "./asked-run.ts"
import { type JudgeParameters, type JudgeQuestion, judgeQuestion, type PairOfAnswers } from "./judge-question.ts"
import type { Message } from "./prompt-template.ts"
import type { JudgeProtocol } from "./protocol.ts"

export interface AskedAs {
  readonly protocol: JudgeProtocol
  readonly template: readonly Message[]
  readonly parameters: JudgeParameters
}

/** A pair by its name; where people compared the answers, with their votes: 0 for the baseline's, 1 for the model's. */
export interface PairToJudge extends PairOfAnswers {
  readonly id: string | number
  readonly votes?: readonly number[]
}

export interface JudgedPair extends AskedPair {
  readonly questions: readonly JudgeQuestion[]
}

const listItemsIn = (answer: string) => markdownCounts(answer).lists

export async function judgedPair(
  pair: PairToJudge,
  judge: string,
  { protocol, template, parameters }: AskedAs,
): Promise<JudgedPair> {
  const { id, instruction, baseline, model, votes } = pair
  // A judge is measured in both orders, however it is asked later.
  const orders = votes !== undefined ? [false, true] : baseline === model ? [] : await protocol.orders(instruction)
  return {
    id,
    digest: await sha256Hex(JSON.stringify([instruction, baseline, model])),
    baselineLength: codePointLength(baseline),
    modelLength: codePointLength(model),
    ...(votes !== undefined && { votes, listItems: [listItemsIn(baseline), listItemsIn(model)] as const }),
    questions: await Promise.all(orders.map((order) => judgeQuestion(judge, template, pair, parameters, order))),
  }
}

/** All questions about pairs, each once. */
export const questionsOf = (pairs: readonly JudgedPair[]): JudgeQuestion[] => [
  ...new Map(pairs.flatMap(({ questions }) => questions).map((question) => [question.key, question])).values(),
]

/** What is kept of a pair: its questions by name. */
export const askedPair = (pair: JudgedPair): AskedPair => ({
  ...pair,
  questions: pair.questions.map(({ key, isSwapped }) => ({ key, isSwapped })),
})
