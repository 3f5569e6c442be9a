// Where an answer ended without a verdict, the question that asks its judge to go on.
import { followUpTo, type JudgeQuestion } from "./judge-question.ts"
import type { JudgeProtocol } from "./protocol.ts"
import type { AnswerBook } from "./verdict-rows.ts"

/** Of those questions that were answered so far; none where the protocol has no words for it. */
export async function followUps(
  protocol: JudgeProtocol,
  questions: readonly JudgeQuestion[],
  { answerTo }: Pick<AnswerBook, "answerTo">,
): Promise<JudgeQuestion[]> {
  const { goOn } = protocol
  if (goOn === undefined) return []
  return Promise.all(
    questions.flatMap((question) => {
      const answer = answerTo(question.key)
      if (answer === undefined || answer === "refused" || !protocol.read(answer).endedWithout) return []
      return [followUpTo(question, answer.text, goOn)]
    }),
  )
}
