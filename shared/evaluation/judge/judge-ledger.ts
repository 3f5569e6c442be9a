// What was asked of a judge and what it answered, as lines that are only ever added: what they are, and what they come to. Where they are kept is
// their keeper's affair; what is counted is read from the raw answers.
import { type JudgeAnswer, readJudgeAnswer } from "./judge-answer.ts"
import { addTokens, type JudgePrice, type JudgeTokens, NO_TOKENS } from "./judge-cost.ts"
import type { JudgeParameters } from "./judge-question.ts"
import type { AnswerBook } from "./verdict-rows.ts"

interface Requested {
  readonly kind: "request"
  readonly key: string
  readonly attempt: number
  readonly at: string
  /** No more than these are billed for it. */
  readonly most: JudgeTokens
  /** All of the request but model and messages, which are in the key. */
  readonly parameters?: JudgeParameters
  /** As it was told, of a million tokens. */
  readonly price?: JudgePrice | undefined
  /** The question whose answer named no verdict, where it is asked because of that. */
  readonly after?: string | undefined
}

/** A response as it came, with what is read from it, so that a person need not. */
interface Answered extends Omit<JudgeAnswer, "text"> {
  readonly kind: "answer"
  readonly key: string
  readonly judge: string
  readonly attempt: number
  readonly at: string
  readonly response: unknown
  /** As of a request, where none was sent for it. */
  readonly after?: string | undefined
}

/** A question that the endpoint will not answer, or an answer that is none. */
interface Failed {
  readonly kind: "failure"
  readonly key: string
  readonly attempt: number
  readonly at: string
  readonly reason: string
  /** The question is not asked again. */
  readonly isFinal: boolean
  /** The endpoint answered with an error, for which none bills. */
  readonly isFree: boolean
  /** The endpoint never had the request, or turned it away unread, as too soon: no budget of requests holds it. */
  readonly isUnheard?: boolean | undefined
  /** What came, where something did. */
  readonly response?: unknown
}

export type JudgeRecord = Requested | Answered | Failed

export interface KnownAnswers extends AnswerBook {
  /** Requests that were ever sent, or were about to be. */
  readonly requests: () => number
  /** Of these, what a budget counts: not those that never arrived, or were turned away as too soon. */
  readonly heardRequests: () => number
  /** Who answered first, as the endpoint said. */
  readonly answeredBy: () => string | undefined
  /** Tokens as they were told; of requests without an answer, no less than what may be billed. */
  readonly tokens: () => JudgeTokens
  /** Of these, what was not told: the most that requests may have taken. */
  readonly reserved: () => JudgeTokens
}

export interface JudgeLedger extends KnownAnswers {
  readonly take: (record: JudgeRecord) => void
}

/** A ledger of one judge, without any record. */
export function judgeLedger(judge: string): JudgeLedger {
  const known = new Map<string, JudgeAnswer | "refused">()
  const followUps = new Map<string, string>()
  const open = new Map<string, JudgeTokens>()
  let requests = 0
  let unheard = 0
  let answeredBy: string | undefined
  let tokens = NO_TOKENS
  let reserved = NO_TOKENS
  const bill = ({ key, attempt }: JudgeRecord, billed: JudgeTokens | undefined) => {
    const most = open.get(`${key} ${attempt}`) ?? NO_TOKENS
    if (billed !== undefined) {
      tokens = addTokens(addTokens(tokens, most, -1), billed)
      reserved = addTokens(reserved, most, -1)
    }
    open.delete(`${key} ${attempt}`)
  }
  const take = (record: JudgeRecord) => {
    if (record.kind !== "failure" && record.after !== undefined) followUps.set(record.after, record.key)
    if (record.kind === "request") {
      requests++
      open.set(`${record.key} ${record.attempt}`, record.most)
      tokens = addTokens(tokens, record.most)
      reserved = addTokens(reserved, record.most)
    } else if (record.kind === "failure") bill(record, record.isFree ? NO_TOKENS : undefined)
    else bill(record, record.tokens.prompt > 0 ? record.tokens : undefined)
    if (record.kind === "failure" && record.isUnheard === true) unheard++
    if (record.kind === "failure" && record.isFinal) known.set(record.key, "refused")
    if (record.kind === "answer") {
      const answer = readJudgeAnswer(record.response, judge, record.verdict === undefined ? "words" : "log-probs")
      if (!("fault" in answer)) {
        known.set(record.key, answer)
        answeredBy ??= answer.model
      }
    }
  }
  return {
    requests: () => requests,
    heardRequests: () => requests - unheard,
    answeredBy: () => answeredBy,
    tokens: () => tokens,
    reserved: () => reserved,
    answerTo: (key) => known.get(key),
    followUpOf: (key) => followUps.get(key),
    take,
  }
}

/** A line's JSON as the record that it is; undefined where it is none. */
export function judgeRecordOf(line: unknown): JudgeRecord | undefined {
  const record = (line ?? {}) as { readonly [name: string]: unknown }
  const isOurs = typeof record.key === "string" && isCount(record.attempt)
  return isOurs && isWhole(record) ? (line as JudgeRecord) : undefined
}

const isCount = (value: unknown): boolean => typeof value === "number" && value >= 0

const areTokens = (value: unknown): boolean => {
  const { prompt, cached, completion } = (value ?? {}) as { readonly [name: string]: unknown }
  return [prompt, cached ?? 0, completion].every(isCount)
}

/** Whether everything is there that is counted of a record of its kind. */
function isWhole({ kind, ...record }: { readonly [name: string]: unknown }): boolean {
  if (kind === "request") return areTokens(record.most) && ["string", "undefined"].includes(typeof record.after)
  if (kind === "answer") return areTokens(record.tokens) && "response" in record
  return kind === "failure" && typeof record.isFinal === "boolean" && typeof record.isFree === "boolean"
}
