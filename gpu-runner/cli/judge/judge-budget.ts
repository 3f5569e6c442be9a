// What asking a judge may cost: as it is written on the command line, told beforehand, and told at the end.
import type { JudgeBudget } from "#gpu-runner/client/judge/ask-judge.ts"
import type { JudgeRecords } from "#gpu-runner/client/judge/judge-records.ts"
import type { AskedPair } from "#shared/evaluation/judge/asked-run.ts"
import { costOf, usualTokens } from "#shared/evaluation/judge/judge-cost.ts"
import type { JudgeQuestion } from "#shared/evaluation/judge/judge-question.ts"
import { givenVerdict } from "#shared/evaluation/judge/verdict-rows.ts"
import { UsageError } from "../command.ts"
import { positiveIntegerOf, text } from "../options.ts"
import { numberOf } from "./suite.ts"

export const budgetOptions = {
  "max-requests": text("N", "never more, over all starts together; by default twice the questions"),
  "token-budget": text("N", "never more tokens, read and written together, over all starts together"),
  price: text("IN,OUT", "of a million tokens that the judge reads, and that it writes; then costs are told"),
  "max-cost": text("AMOUNT", "never more by --price, over all starts together"),
} as const

/** Throws UsageError. */
export function budgetOf(
  values: Partial<Readonly<Record<keyof typeof budgetOptions, string | undefined>>>,
  questions: number,
): JudgeBudget {
  const { price, "max-cost": most, "max-requests": written, "token-budget": writtenTokens } = values
  const requests = positiveIntegerOf("max-requests", written ?? `${Math.max(1, 2 * questions)}`)
  const tokens = writtenTokens === undefined ? undefined : positiveIntegerOf("token-budget", writtenTokens)
  if (price === undefined && most === undefined) return { requests, tokens }
  const amounts = price?.split(",") ?? []
  const parts = amounts.map(Number)
  // An empty part is 0 as a number, and what is beyond all numbers is a limit that holds nothing.
  const isPrice = (part: string) => part.trim() !== "" && Number.isFinite(Number(part)) && Number(part) >= 0
  if (parts.length !== 2 || !amounts.every(isPrice)) {
    throw new UsageError(
      `--price ${price ?? "is missing"}: give two amounts for a million tokens, read and written: 2,8`,
    )
  }
  const limit =
    most === undefined
      ? Number.POSITIVE_INFINITY
      : numberOf("max-cost", most, (sum) => sum >= 0 && Number.isFinite(sum), "an amount")
  return { requests, tokens, money: { most: limit, price: { prompt: parts[0]!, completion: parts[1]! } } }
}

const amount = (cost: number) => `${Number(cost.toPrecision(4))}`

/** Before anything is asked; `all` are the questions, each once. */
export function foretold(
  pairs: readonly AskedPair[],
  all: readonly JudgeQuestion[],
  records: JudgeRecords,
  { requests, money }: JudgeBudget,
): string {
  const open = all.filter(({ key }) => records.answerTo(key) === undefined)
  const decided = pairs.filter((pair) => givenVerdict(pair) !== undefined).length
  const equal = pairs.filter(({ questions, given }) => questions.length === 0 && given === undefined).length
  const earlier = decided === 0 ? "" : `, ${decided} decided by an earlier judge`
  const asks = `${pairs.length} pairs, ${equal} of equal answers${earlier}; ${open.length} of ${all.length} questions to ask`
  const limits = `${records.heardRequests()} of at most ${requests} requests are spent`
  if (money === undefined) return `${asks}; ${limits}`
  const limit = Number.isFinite(money.most) ? ` of at most ${amount(money.most)}` : ""
  const about = amount(costOf(usualTokens(open), money.price))
  return `${asks}, for about ${about}; ${limits}, and ${amount(costOf(records.tokens(), money.price))}${limit}`
}

export function spent(records: JudgeRecords, { money }: JudgeBudget): string {
  const { prompt, completion } = records.tokens()
  const cost = money === undefined ? "" : `, no more than ${amount(costOf(records.tokens(), money.price))}`
  const reserved = records.reserved()
  const [read, wrote] = [prompt - reserved.prompt, completion - reserved.completion]
  const open = reserved.prompt + reserved.completion
  const unsure = open === 0 ? "" : `, and at most ${open} more that nobody told`
  return `${records.heardRequests()} requests so far: ${read} tokens read, ${wrote} written${unsure}${cost}`
}
