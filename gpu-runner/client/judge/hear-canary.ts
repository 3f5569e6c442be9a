// What a judge said of a canary: one that does not know the better answer where it is known is asked no further.
import {
  type AskedCanary,
  isSilent,
  shareOfGood,
  wordsOnCanary,
  wordsOnSilence,
} from "#shared/evaluation/judge/canaries.ts"
import type { AnswerBook } from "#shared/evaluation/judge/verdict-rows.ts"
import { JudgeUnusable } from "./judge-endpoint.ts"

/** A warning, where an answer that only talks to the judge wins. Throws JudgeUnusable; `mend` ends its message. */
export function hearCanary(canary: AskedCanary, judge: string, book: AnswerBook, mend: string): string | undefined {
  const share = shareOfGood(canary, book.answerTo, book.followUpOf)
  if (share === undefined || share > 0.5) return undefined
  const words = isSilent(canary, book) ? wordsOnSilence(canary, judge) : wordsOnCanary(canary, judge)
  if (canary.isProbe) return words
  throw new JudgeUnusable(`${words}; ${mend}`, { isOfKey: false })
}
