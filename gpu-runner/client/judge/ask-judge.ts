// Asks a judge all questions that the records do not answer yet: several at a time, each until it is answered or its tries are used up, and never
// more requests than the budget, over all starts together.
import type { JudgeQuestion } from "#shared/evaluation/judge/judge-question.ts"
import { askOnce, type JudgeEndpoint, JudgeUnusable } from "./judge-endpoint.ts"
import type { JudgeRecords } from "./judge-records.ts"

export interface Asking {
  readonly endpoint: JudgeEndpoint
  readonly records: JudgeRecords
  /** Requests that the records may hold at the end, those of earlier starts included. */
  readonly maxRequests: number
  readonly concurrency: number
  readonly signal: AbortSignal
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
  /** Of the last that failed; empty where none did. */
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
  const run: Run = { ...asking, signal, answered: 0, refused: 0, failed: 0, beyondBudget: 0, lastReason: "" }
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
  return { refused, failed, beyondBudget, lastReason: failed > 0 ? lastReason : "" }
}

interface Run extends Asking {
  answered: number
  refused: number
  failed: number
  beyondBudget: number
  lastReason: string
}

/** A question's tries. Throws JudgeUnusable, or why the signal was aborted. */
async function askPatiently(question: JudgeQuestion, run: Run): Promise<void> {
  const { endpoint, records, signal, onDone, sleep = sleepFor } = run
  const { key } = question
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    signal.throwIfAborted()
    if (records.requests() >= run.maxRequests) return void run.beyondBudget++
    const at = new Date().toISOString()
    records.add({ kind: "request", key, attempt, at })
    const outcome = await askOnce(endpoint, question, signal)
    const { response } = outcome
    if (outcome.kind === "answered") {
      records.add({ kind: "answer", key, judge: endpoint.judge, attempt, at, ...outcome.answer, response })
      run.answered++
      return onDone?.()
    }
    const reason = outcome.kind === "unusable" ? outcome.error.message : outcome.reason
    // An endpoint that has answered nothing yet may be set up wrongly: then its refusal says nothing about the question.
    const isFinal = outcome.kind === "refused" && run.answered > 0
    records.add({ kind: "failure", key, attempt, at, reason, isFinal, response })
    if (outcome.kind === "unusable") throw outcome.error
    if (outcome.kind === "refused") return giveUp(run, reason)
    run.lastReason = reason
    if ((outcome.waitMs ?? 0) > MAX_RETRY_AFTER_MS) {
      throw new JudgeUnusable(
        `${endpoint.url} asks to wait ${Math.ceil(outcome.waitMs! / 60_000)} minutes (${reason}); start again then, what was answered is kept`,
      )
    }
    if (attempt < MAX_ATTEMPTS) await sleep(outcome.waitMs ?? pauseMs(attempt), signal)
  }
  run.failed++
  onDone?.()
}

function giveUp(run: Run, reason: string): void {
  run.refused++
  if (run.answered === 0 && run.refused >= REFUSALS_OF_ENDPOINT) {
    throw new JudgeUnusable(
      `${run.endpoint.url} refuses every question: ${reason}; look at --judge and at what it can do`,
    )
  }
  run.onDone?.()
}

/** Doubled from a second to a minute, and up to half of it less, so that workers do not come back together. */
function pauseMs(attempt: number): number {
  return Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempt - 1)) * (1 - Math.random() / 2)
}

function sleepFor(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", end)
      resolve()
    }, ms)
    signal.addEventListener("abort", end, { once: true })
  })
}
