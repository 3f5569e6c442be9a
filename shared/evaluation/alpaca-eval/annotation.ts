// One judged pair of answers as AlpacaEval 2 counts it, and the judge's preference from the log-probs of its one token.
// Facts from alpaca_eval's processors.py (text lengths) and completion_parsers.py (logprob_parser).

export interface Annotation {
  /** Position of the instruction in the evaluation set, from 0. */
  readonly instruction: number
  /** From 1 (the baseline's answer is better) to 2 (the model's); undefined where the judge gave none. */
  readonly preference: number | undefined
  /** Unicode code points. */
  readonly baselineLength: number
  readonly modelLength: number
}

/** The preference of answers that are equal, and of judges that cannot decide. */
export const DRAW = 1.5

export type JudgedAnnotation = Annotation & { readonly preference: number }

export function isJudged(annotation: Annotation): annotation is JudgedAnnotation {
  return annotation.preference !== undefined
}

/** Length as AlpacaEval measures it: code points, where String.length counts UTF-16 units. */
export function codePointLength(text: string): number {
  let length = 0
  for (const _ of text) length++
  return length
}

/** The judge's log-probs (nats) of the names of the answers shown first (`m`) and second (`M`); undefined where a token is not among the listed ones. */
export interface VerdictLogProbs {
  readonly first: number | undefined
  readonly second: number | undefined
  /** Whether the model's answer was shown first. */
  readonly isSwapped: boolean
}

/** Reads the names' log-probs from the likeliest tokens of the judge's first position. Tokens are compared exactly: ` m` is another token. */
export function verdictOfTokens(
  likeliest: readonly { readonly token: string; readonly logprob: number }[],
): Omit<VerdictLogProbs, "isSwapped"> {
  const logProbOf = (name: string) => likeliest.find(({ token }) => token === name)?.logprob
  return { first: logProbOf("m"), second: logProbOf("M") }
}

/** The preference, from 1 to 2; undefined where neither name is listed. A name that is not listed has probability 0. */
export function preferenceOf({ first, second, isSwapped }: VerdictLogProbs): number | undefined {
  if (first === undefined && second === undefined) return undefined
  const shareOfFirst = first === undefined ? 0 : second === undefined ? 1 : 1 / (1 + Math.exp(second - first))
  return isSwapped ? 1 + shareOfFirst : 2 - shareOfFirst
}
