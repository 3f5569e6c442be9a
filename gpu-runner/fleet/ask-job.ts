// An ask job: a judge behind an OpenAI-compatible endpoint says which answers are better. Every request stands at the gateway before it is sent, and
// every answer when it is there, so that whoever takes the job up asks nothing again that was answered, and all of them together keep to its budget.
import { Effect } from "effect"
import { type Asking, askUnder, type JudgeBudget, type Unanswered } from "#gpu-runner/client/judge/ask-judge.ts"
import { hearCanary } from "#gpu-runner/client/judge/hear-canary.ts"
import { type JudgeEndpoint, JudgeUnusable } from "#gpu-runner/client/judge/judge-endpoint.ts"
import type { JudgeRecords } from "#gpu-runner/client/judge/judge-records.ts"
import type { EndpointJudge } from "#shared/domain/EvaluationSettings.ts"
import { type AskedCanary, askedCanaries } from "#shared/evaluation/judge/canaries.ts"
import { followUps } from "#shared/evaluation/judge/follow-ups.ts"
import { type JudgeRecord, judgeLedger, judgeRecordOf } from "#shared/evaluation/judge/judge-ledger.ts"
import type { JudgeQuestion } from "#shared/evaluation/judge/judge-question.ts"
import {
  type AskedAs,
  askedPair,
  judgedPair,
  type PairToJudge,
  questionsOf,
} from "#shared/evaluation/judge/judged-pairs.ts"
import { type JudgeProtocol, PROTOCOLS } from "#shared/evaluation/judge/protocol.ts"
import type { SuitePrompt } from "#shared/judgement/sources/prompt-suite.ts"
import { type AskedLine, encodeAskedVerdicts } from "#shared/wire/asked-verdicts.ts"
import type { AskJob, AskResult } from "#shared/wire/job.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import type { Answers } from "#shared/wire/responses.ts"
import { pairsOfAnswers, pairsOfPeople } from "#shared/workflows/asked-answers.ts"
import { judgedResponses } from "./cached-suite.ts"
import { type HeardAnswers, heardAnswers } from "./heard-answers.ts"
import { type JobContext, type JobExecutor, uploadArtefact } from "./job-context.ts"
import { JobFailed, toJobFailed } from "./job-failure.ts"
import { attemptCalls, type JobKeeping, jobKeeping } from "./job-keeping.ts"

const CONCURRENCY = 4
const SETTINGS = { url: "judge.url", judge: "judge.model", inWords: 'judge.verdict "text"' }
const OTHER_JUDGE = "choose another judge"

const forGood = (message: string) => new JobFailed(message, { retryable: false })
const beyondRunner = (message: string, cause?: unknown) =>
  new JobFailed(message, { retryable: true, isBeyondRunner: true, cause })

/** This runner's way to the judge. A key goes nowhere but to the endpoint that it was given for. */
const endpointOf = ({ judge: own }: JobExecutor, { url, model }: EndpointJudge): JudgeEndpoint => {
  if (own === undefined)
    throw beyondRunner(
      `it may ask no judge; start a runner with YOHAKU_JUDGE_URL=${url}, and the endpoint's key in YOHAKU_JUDGE_KEY`,
    )
  if (own.url !== url)
    throw beyondRunner(`the judge is at ${url}, and this runner may ask the one at ${own.url} alone (YOHAKU_JUDGE_URL)`)
  const { apiKey } = own
  return { url, judge: model, apiKey, settings: SETTINGS, mostAnswerCharacters: LIMITS.askedAnswerCharacters }
}

interface Asked {
  readonly protocol: JudgeProtocol
  readonly canaries: readonly AskedCanary[]
  /** Each once. */
  readonly questions: readonly JudgeQuestion[]
  readonly lines: readonly AskedLine[]
}

/** Everything that will be asked. */
const whatIsAsked = async (
  { judge, candidate }: AskJob,
  suite: readonly SuitePrompt[],
  responses: ReadonlyMap<string, readonly Answers[]>,
): Promise<Asked> => {
  const protocol = PROTOCOLS[judge.verdict ?? "log-probs"]
  const { parameters, template } = protocol
  const as: AskedAs = { protocol, template, parameters }
  const own = responses.get(candidate)
  if (own === undefined) throw forGood(`there are no responses of ${candidate}, which are to be judged`)
  const compared = async (name: string, against: string | null, pairs: readonly PairToJudge[]) => {
    const judged = await Promise.all(pairs.map((pair) => judgedPair(pair, judge.model, as)))
    const asked = { suite: against === null ? "calibration" : "alpaca-eval-2", protocol: protocol.name }
    const run = { ...asked, judge: judge.model, model: name, parameters, template, pairs: judged.map(askedPair) }
    return { judged, line: { kind: "asked", against, run } as const }
  }
  const all = []
  for (const [name, others] of responses)
    if (name !== candidate) all.push(await compared(candidate, name, pairsOfAnswers(suite, own, others)))
  const people = pairsOfPeople(suite)
  if (people.length > 0) all.push(await compared("chosen", null, people))
  return {
    protocol,
    canaries: await askedCanaries(judge.model, template, protocol, parameters),
    questions: questionsOf(all.flatMap(({ judged }) => judged)),
    lines: all.map(({ line }) => line),
  }
}

const budgetOf = ({ price, budget = {} }: EndpointJudge, questions: number): JudgeBudget => {
  const requests = budget.requests ?? 2 * questions
  if (price === undefined) return { requests }
  return { requests, money: { most: budget.cost ?? Number.POSITIVE_INFINITY, price } }
}

/** Throws JobFailed. */
const keptRecord = (text: string): JudgeRecord => {
  try {
    const record = judgeRecordOf(JSON.parse(text))
    if (record !== undefined) return record
  } catch {
    // Told below.
  }
  throw forGood("what the job keeps holds a line that is no record of a judge; start the evaluation again")
}

/** Records that are kept with the job: what earlier leases asked and were answered counts. Each that is added is noted. Throws JobFailed. */
const keptRecords = (judge: string, { texts, add }: JobKeeping, note: HeardAnswers["note"]) => {
  const ledger = judgeLedger(judge)
  const lines = [...texts]
  const bytesOf = (line: string) => Buffer.byteLength(line) + 1
  let bytes = texts.reduce((sum, text) => sum + bytesOf(text), 0)
  for (const text of texts) ledger.take(keptRecord(text))
  const records: JudgeRecords = {
    ...ledger,
    add: (record) => {
      ledger.take(record)
      note(record)
      const line = JSON.stringify(record)
      lines.push(line)
      bytes += bytesOf(line)
      return add(line)
    },
  }
  return { records, lines, bytes: () => bytes }
}

/** Answers that this runner heard before are taken, but for canaries: they tell whether the judge is still the one that it was. */
const takeHeard = async (
  { protocol, questions }: Asked,
  records: JudgeRecords,
  { recordOf }: HeardAnswers,
): Promise<void> => {
  const take = (some: readonly JudgeQuestion[]) => {
    const open = some.filter(({ key }) => records.answerTo(key) === undefined)
    return Promise.all(open.flatMap((question) => recordOf(question) ?? []).map((record) => records.add(record)))
  }
  await take(questions)
  await take(await followUps(protocol, questions, records))
}

/** Throws JobFailed where some are left without an answer. */
const refuseUnfinished = ({ failed, beyondBudget, lastReason }: Unanswered, all: number): void => {
  const kept = "what was answered is kept with the job"
  if (failed > 0)
    throw new JobFailed(`${failed} of ${all} questions have no answer (the last: ${lastReason}); ${kept}`, {
      retryable: true,
    })
  if (beyondBudget > 0)
    throw forGood(
      `for ${beyondBudget} of ${all} questions nothing was left of the budget${lastReason && ` (the last request failed: ${lastReason})`}; raise judge.budget, or leave prompts out`,
    )
}

/** What is under way at the same time holds the most that it may cost: where that was too much, the rest is asked one by one. */
const askWithin = async (protocol: JudgeProtocol, questions: readonly JudgeQuestion[], asking: Asking) => {
  const unanswered = await askUnder(protocol, questions, asking)
  if (unanswered.beyondBudget === 0) return unanswered
  const then = await askUnder(protocol, questions, { ...asking, concurrency: 1 })
  return { ...then, lastReason: then.lastReason || unanswered.lastReason }
}

const refuseTooLong = (bytes: number, said: string): void => {
  if (bytes <= LIMITS.askedBytes) return
  throw forGood(`${said} ${Math.round(bytes)} bytes, at most ${LIMITS.askedBytes} are taken; leave prompts out`)
}

/** Canaries first, then everything, if what the canaries took lets all of it be taken. Resolves to warnings. */
const askAll = async (
  { protocol, canaries, questions, lines }: Asked,
  { bytes, ...asking }: Omit<Asking, "onDone"> & { readonly bytes: () => number },
  onDone: (done: number, all: number) => void,
): Promise<string[]> => {
  const first = canaries.flatMap((canary) => canary.questions)
  const all = first.length + questions.length
  if (all > LIMITS.askedQuestions)
    throw forGood(`${all} questions would be asked, at most ${LIMITS.askedQuestions} are; leave prompts out`)
  const open = [...first, ...questions].filter(({ key }) => asking.records.answerTo(key) === undefined)
  const left = asking.budget.requests - asking.records.heardRequests()
  if (open.length > left)
    throw forGood(
      `${open.length} questions are to be asked and ${left} requests are left of judge.budget; raise it, or leave prompts out`,
    )
  let done = all - open.length
  const counting = { ...asking, onDone: () => onDone(++done, all) }
  onDone(done, all)
  refuseUnfinished(await askWithin(protocol, first, counting), first.length)
  const warnings = canaries.flatMap(
    (canary) => hearCanary(canary, asking.endpoint.judge, asking.records, OTHER_JUDGE) ?? [],
  )
  const answered = all - [...first, ...questions].filter(({ key }) => asking.records.answerTo(key) === undefined).length
  const foretold = encodeAskedVerdicts(lines, []).length + (bytes() * all) / Math.max(1, answered)
  refuseTooLong(foretold, `by its first ${answered} answers, what is said to ${all} questions will be about`)
  // It answered the canaries: what it refuses from here on is refused for itself.
  refuseUnfinished(await askWithin(protocol, questions, { ...counting, hasAnswered: true }), questions.length)
  return warnings
}

/** What is the endpoint's as it is set up is no other runner's to mend; what is of this runner's key is. */
const failureOf = (cause: unknown): JobFailed => {
  if (!(cause instanceof JudgeUnusable)) return cause instanceof JobFailed ? cause : toJobFailed(cause)
  return cause.isOfKey ? beyondRunner(cause.message, cause) : new JobFailed(cause.message, { retryable: false, cause })
}

const attempting = <A>(work: (signal: AbortSignal) => Promise<A>) => attemptCalls(work, failureOf)

export const askJob = Effect.fn("askJob")(function* (executor: JobExecutor, context: JobContext, spec: AskJob) {
  const endpoint = yield* attempting(async () => endpointOf(executor, spec.judge))
  const { prompts, responses } = yield* judgedResponses(executor, spec)
  const asked = yield* attempting(() => whatIsAsked(spec, prompts, responses))
  const heard = heardAnswers(executor.directory, spec.judge)
  const known = new Set(asked.questions.map(({ key }) => key))
  const note = (record: JudgeRecord) => {
    // What follows upon a question is known when it is asked.
    if (record.kind === "request" && record.after !== undefined && known.has(record.after)) known.add(record.key)
    if (known.has(record.key)) heard.note(record)
  }
  const keeping = yield* jobKeeping(context)
  const {
    records,
    lines,
    bytes: bytesSoFar,
  } = yield* attempting(async () => keptRecords(spec.judge.model, keeping, note))
  yield* attempting(() => takeHeard(asked, records, heard))
  const budget = budgetOf(spec.judge, asked.questions.length + 2 * asked.canaries.length)
  const sleep = executor.judge?.sleep
  const asking = { endpoint, records, budget, concurrency: CONCURRENCY, ...(sleep === undefined ? {} : { sleep }) }
  const warnings = yield* attempting((signal) =>
    askAll(asked, { ...asking, bytes: bytesSoFar, signal: AbortSignal.any([signal, context.signal]) }, (step, steps) =>
      context.onProgress({ step, steps, message: "questions answered" }),
    ),
  )
  const all = asked.questions.length
  for (const warning of warnings) context.onProgress({ step: all, steps: all, message: `warning: ${warning}` })
  const bytes = encodeAskedVerdicts(asked.lines, lines)
  yield* attempting(async () => refuseTooLong(bytes.length, "what was said is"))
  return { kind: "ask", verdicts: yield* uploadArtefact(context, bytes) } satisfies AskResult
})
