// What in a model's answers shows that they are written for a judge rather than for the question: one constant answer that talked to the judge once had a
// length-controlled win rate of 86 %.

/** Marks of judges' prompts and verdicts, which answers to people do not hold. A label in code stands behind a name, as an index does. */
const JUDGE_MARKS: readonly RegExp[] = [
  /(?<![\w\])])\[\[(?:[AB][<>=]{1,2}[AB]|[ABC]|\d+(?:\.\d+)?)\]\]/,
  /<\|(?:im_start|im_end|system|user|assistant|The (?:Start|End) of Assistant [AB]'s Answer)\|>/i,
  /\boutput_[12]\b/,
  /\bAssistant [AB]'s (?:answer|response)\b/i,
  /\bmy final verdict is\b/i,
]

export interface SuspiciousAnswers {
  /** Answers that hold marks of a judge's prompt or verdict. */
  readonly marked: number
  /** Answers that are the commonest one. */
  readonly commonest: number
}

export function suspiciousAnswers(answers: readonly string[]): SuspiciousAnswers {
  const times = new Map<string, number>()
  for (const answer of answers) times.set(answer.trim(), (times.get(answer.trim()) ?? 0) + 1)
  return {
    marked: answers.filter((answer) => JUDGE_MARKS.some((mark) => mark.test(answer))).length,
    commonest: [...times.values()].reduce((most, count) => Math.max(most, count), 0),
  }
}

/** Above this share of the answers, one of them is said again and again. */
const GREATEST_COMMON_SHARE = 0.1

/** In words; empty where nothing is found. */
export function warningsOfAnswers(answers: readonly string[]): string[] {
  const { marked, commonest } = suspiciousAnswers(answers)
  return [
    ...(marked > 0
      ? [
          `${marked} of ${answers.length} answers hold words of a judge's prompt or verdict: read them before the win rate is believed`,
        ]
      : []),
    ...(commonest > 1 && commonest > GREATEST_COMMON_SHARE * answers.length
      ? [
          `${commonest} of ${answers.length} answers are one and the same: a win rate says little of a model that does not look at the question`,
        ]
      : []),
  ]
}
