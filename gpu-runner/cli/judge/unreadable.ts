// A judge of whose answers none can be read is told so after a few of them, and not after all were paid for.
import { JudgeUnusable } from "#gpu-runner/client/judge/judge-endpoint.ts"
import type { JudgeQuestion } from "#shared/evaluation/judge/judge-question.ts"
import type { JudgeProtocol } from "#shared/evaluation/judge/protocol.ts"
import { type AnswerBook, heard } from "#shared/evaluation/judge/verdict-rows.ts"

/** So many questions are asked before the others, where no canaries are. */
export const FIRST_QUESTIONS = 8

/** Throws JudgeUnusable where so many answers as FIRST_QUESTIONS, or all questions if they are fewer, hold no verdict. */
export function refuseUnreadable(protocol: JudgeProtocol, questions: readonly JudgeQuestion[], book: AnswerBook): void {
  const answered = questions.filter(({ key }) => typeof book.answerTo(key) === "object")
  if (answered.length === 0 || answered.length < Math.min(FIRST_QUESTIONS, questions.length)) return
  if (answered.some(({ key }) => heard(protocol, key, book).shareOfFirst !== undefined)) return
  const fault = protocol.parameters.logprobs
    ? "answers had neither m nor M among the judge's top tokens; take --verdict text or another judge"
    : "answers held no verdict in the words that are asked for; take another judge or --prompt, or a larger --max-tokens"
  throw new JudgeUnusable(`of ${answered.length}, ${answered.length} ${fault}`, { isOfKey: false })
}
