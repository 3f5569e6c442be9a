// Asks a judge all questions that the records do not answer yet: several at a time, each until it is answered or its tries are used up, and never
// more requests than the budget, over all starts together.
import { setTimeout } from "node:timers/promises"
import { followUps } from "#shared/evaluation/judge/follow-ups.ts"
import { addTokens, costOf, type JudgePrice, mostTokens } from "#shared/evaluation/judge/judge-cost.ts"
import type { JudgeRecord } from "#shared/evaluation/judge/judge-ledger.ts"
import type { JudgeQuestion } from "#shared/evaluation/judge/judge-question.ts"
import type { JudgeProtocol } from "#shared/evaluation/judge/protocol.ts"
import { askOnce, type JudgeEndpoint, JudgeUnusable, type NoAnswer, type RequestOutcome } from "./judge-endpoint.ts"
import type { JudgeRecords } from "./judge-records.ts"

/** What the records may hold at the end, earlier starts included. */
export interface JudgeBudget {
  readonly requests: number
  /** Read and written together. */
  readonly tokens?: number | undefined
  /** In the currency of the price. */
  readonly money?: { readonly most: number; readonly price: JudgePrice } | undefined
}

export interface Asking {
  readonly endpoint: JudgeEndpoint
  readonly records: JudgeRecords
  readonly budget: JudgeBudget
  readonly concurrency: number
  readonly signal: AbortSignal
  /** The endpoint has answered before, so that what it refuses is refused for itself. */
  readonly hasAnswered?: boolean
  /** After each question that was answered or given up. */
  readonly onDone?: () => void
  /** Waits; a test's does not. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>
}

/** Questions without an answer at the end, by why. */
export interface Unanswered {
  readonly refused: number
  readonly failed: number
  readonly beyondBudget: number
  /** Of the last request that failed; empty where all were answered, or none failed. */
  readonly lastReason: string
}

export const MAX_ATTEMPTS = 6
const FIRST_WAIT_MS = 1000
const MAX_WAIT_MS = 60_000
/** A Retry-After beyond this is a quota that is used up, and not a pause. */
const MAX_RETRY_AFTER_MS = 600_000
/** So many questions refused before any was answered: it is not the questions. */
const REFUSALS_OF_ENDPOINT = 3

/** Asks. What is answered stands in the records, also where this throws JudgeUnusable or is aborted. */
export async function askJudge(questions: readonly JudgeQuestion[], asking: Asking): Promise<Unanswered> {
  const { records, concurrency } = asking
  const stop = new AbortController()
  const signal = AbortSignal.any([asking.signal, stop.signal])
  const open = [...new Map(questions.map((question) => [question.key, question])).values()].filter(
    ({ key }) => records.answerTo(key) === undefined,
  )
  const answered = questions.length - open.length + Number(asking.hasAnswered ?? false)
  const run: Run = { ...asking, signal, answered, refused: 0, failed: 0, beyondBudget: 0, lastReason: "" }
  const next = open.values()
  const workers = Array.from({ length: Math.min(concurrency, open.length) }, async () => {
    for (const question of next) await askPatiently(question, run)
  })
  try {
    await Promise.all(workers)
  } catch (error) {
    stop.abort(error)
    await Promise.allSettled(workers)
    throw error
  }
  const { refused, failed, beyondBudget, lastReason } = run
  return { refused, failed, beyondBudget, lastReason: failed + beyondBudget > 0 ? lastReason : "" }
}

/**
 * Asks under a protocol: a judge that ended without a verdict is told once to go on, where the protocol has words for that. What is then still none stays
 * so. Throws as askJudge.
 */
export async function askUnder(
  protocol: JudgeProtocol,
  questions: readonly JudgeQuestion[],
  asking: Asking,
): Promise<Unanswered> {
  const first = await askJudge(questions, asking)
  const more = await followUps(protocol, questions, asking.records)
  if (more.length === 0) return first
  const { onDone: _, ...silent } = asking
  const then = await askJudge(more, { ...silent, hasAnswered: true })
  return {
    refused: first.refused + then.refused,
    failed: first.failed + then.failed,
    beyondBudget: first.beyondBudget + then.beyondBudget,
    lastReason: then.lastReason || first.lastReason,
  }
}

interface Run extends Asking {
  answered: number
  refused: number
  failed: number
  beyondBudget: number
  lastReason: string
}

/** A question's tries. Throws JudgeUnusable, or an AbortError. */
async function askPatiently(question: JudgeQuestion, run: Run): Promise<void> {
  const { endpoint, records, signal, onDone, sleep = sleepFor } = run
  const { key } = question
  let unsent = 0
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    signal.throwIfAborted()
    if (!isWithin(run.budget, question, records)) return void run.beyondBudget++
    const at = new Date().toISOString()
    await records.add(requestOf(question, attempt, at, run))
    const outcome = ofOneModel(await askOnce(endpoint, question, signal), run)
    if (outcome.kind === "answered") {
      const { text: _, ...answer } = outcome.answer
      await records.add({
        kind: "answer",
        key,
        judge: endpoint.judge,
        attempt,
        at,
        ...answer,
        response: outcome.response,
      })
      run.answered++
      return onDone?.()
    }
    const { kind, reason, isFree, isUnheard, response } = outcome
    // An endpoint that has answered nothing yet may be set up wrongly: then its refusal says nothing about the question.
    await records.add({
      kind: "failure",
      key,
      attempt,
      at,
      reason,
      isFinal: kind === "refused" && run.answered > 0,
      isFree,
      isUnheard: isUnheard && true,
      response,
    })
    if (kind === "refused") return giveUp(run, reason)
    const waitMs = waitAfter(outcome, attempt, endpoint)
    run.lastReason = reason
    if (isUnheard === "unsent") unsent++
    if (attempt < MAX_ATTEMPTS) await sleep(waitMs, signal)
  }
  // The fault is no question's, and nothing was spent: this can be done again, when the endpoint is there.
  if (unsent === MAX_ATTEMPTS)
    throw new JudgeUnusable(`${run.lastReason}; start again when it is there, what was answered is kept`, {
      isOfKey: true,
    })
  run.failed++
  onDone?.()
}

/** A dated name that changes on the way is another judge: answers of both are no sample of either. */
function ofOneModel(outcome: RequestOutcome, { endpoint, records }: Run): RequestOutcome {
  if (outcome.kind !== "answered") return outcome
  const { answer, response } = outcome
  const before = records.answeredBy() ?? answer.model
  if (answer.model === before) return outcome
  const mend = `name the one that is meant with ${endpoint.settings?.judge ?? "--judge"}`
  const reason = `${answer.model} answered, and ${before} before; a win rate is of one judge: ${mend}`
  return { kind: "unusable", reason, isFree: false, response }
}

/** A question with all that its number will be computed from again. */
function requestOf(question: JudgeQuestion, attempt: number, at: string, { budget }: Run): JudgeRecord {
  const { model: _, messages: __, ...parameters } = question.body
  const { key, after } = question
  return {
    kind: "request",
    key,
    attempt,
    at,
    most: mostTokens(question),
    parameters,
    price: budget.money?.price,
    after,
  }
}

/** Whether one more request, at the most that it may take, leaves the budget whole. */
function isWithin(budget: JudgeBudget, question: JudgeQuestion, records: JudgeRecords): boolean {
  const { requests, tokens: mostTokensOfAll = Number.POSITIVE_INFINITY, money } = budget
  if (records.heardRequests() >= requests) return false
  const then = addTokens(records.tokens(), mostTokens(question))
  if (then.prompt + then.completion > mostTokensOfAll) return false
  return money === undefined || costOf(then, money.price) <= money.most
}

/** Throws JudgeUnusable where waiting does not help, or for hours. */
function waitAfter(
  { kind, reason, waitMs, isOfKey = false }: NoAnswer,
  attempt: number,
  { url }: JudgeEndpoint,
): number {
  if (kind === "unusable") throw new JudgeUnusable(reason, { isOfKey })
  if (waitMs === undefined) return pauseMs(attempt)
  if (waitMs <= MAX_RETRY_AFTER_MS) return waitMs
  throw new JudgeUnusable(
    `${url} asks to wait ${Math.ceil(waitMs / 60_000)} minutes (${reason}); start again then, what was answered is kept`,
    { isOfKey: true },
  )
}

function giveUp(run: Run, reason: string): void {
  run.refused++
  if (run.answered === 0 && run.refused >= REFUSALS_OF_ENDPOINT) {
    throw new JudgeUnusable(
      `${run.endpoint.url} refuses every question: ${reason}; look at ${run.endpoint.settings?.judge ?? "--judge"} and at what it can do`,
      { isOfKey: false },
    )
  }
  run.onDone?.()
}

/** Doubled from a second to a minute, and up to half of it less, so that workers do not come back together. */
function pauseMs(attempt: number): number {
  return Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempt - 1)) * (1 - Math.random() / 2)
}

const sleepFor = (ms: number, signal: AbortSignal) => setTimeout<void>(ms, undefined, { signal })
