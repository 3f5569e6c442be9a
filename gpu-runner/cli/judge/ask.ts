// Has a judge asked about a model's answers beside a baseline's, and writes the verdicts as annotations. What was answered before is not asked again.
import { type Asking, askUnder, type JudgeBudget, type Unanswered } from "#gpu-runner/client/judge/ask-judge.ts"
import { hearCanary } from "#gpu-runner/client/judge/hear-canary.ts"
import { openJudgeRecords } from "#gpu-runner/client/judge/judge-records.ts"
import { lockFolder } from "#gpu-runner/data/run/folder-lock.ts"
import type { NamedPair } from "#shared/evaluation/judge/answer-file.ts"
import { type AskedCanary, askedCanaries } from "#shared/evaluation/judge/canaries.ts"
import { withOwnParameters } from "#shared/evaluation/judge/judge-parameters.ts"
import type { JudgeQuestion } from "#shared/evaluation/judge/judge-question.ts"
import {
  type AskedAs,
  askedPair,
  type JudgedPair,
  judgedPair,
  questionsOf,
} from "#shared/evaluation/judge/judged-pairs.ts"
import { readPromptTemplate } from "#shared/evaluation/judge/prompt-template.ts"
import { type JudgeProtocol, PROTOCOLS, type ProtocolName } from "#shared/evaluation/judge/protocol.ts"
import { pairValue } from "#shared/evaluation/judge/verdict-rows.ts"
import { CommandFailed, type OptionValues, type Terminal, UsageError } from "../command.ts"
import { gatewayUrl } from "../gateway-access.ts"
import { interruptible } from "../interruptible.ts"
import { choiceOf, positiveIntegerOf, text } from "../options.ts"
import { createProgress } from "../progress.ts"
import { type AnswerValues, readJoinedAnswers } from "./answers.ts"
import { type CanaryValues, canariesOf } from "./canary-options.ts"
import { budgetOf, budgetOptions, foretold, spent } from "./judge-budget.ts"
import { judgeKey, KEY_VARIABLE } from "./judge-key.ts"
import { aboveRung, ladderOptions, rungBelow } from "./ladder.ts"
import { numberOf, readNamed, told } from "./suite.ts"
import { refuseUntrusted } from "./trusted-judge.ts"
import { FIRST_QUESTIONS, refuseUnreadable } from "./unreadable.ts"
import { askUntilDecided, type Decision, type ToDecide } from "./until-decided.ts"
import { writeAnnotations, writeAskedRun } from "./verdicts.ts"
import { readVotedAnswers, type VotedAnswers } from "./voted-pairs.ts"

const CONCURRENCY = 4
const MAX_CONCURRENCY = 64
const MAX_ANSWER_TOKENS = 1_000_000
const OTHER_JUDGE = "choose another judge or prompt, or say --skip-canaries"

export const askingOptions = {
  judge: text("NAME", "the model that judges, as its endpoint calls it; a dated name, not one that moves"),
  url: text("URL", `an OpenAI-compatible endpoint up to /v1; its key is in ${KEY_VARIABLE}`),
  verdict: text(
    "KIND",
    "how it answers: log-probs of one token (default), or text, in both orders; Arena-Hard has its own",
  ),
  prompt: text(
    "FILE",
    "what the judge is asked, with {instruction}, {output_1} and {output_2}; by default words of our own",
  ),
  "max-tokens": text("N", "of an answer in words; 64 of text, 4096 and 16000 of Arena-Hard 0.1 and 2"),
  parameters: text(
    "JSON",
    'of the request, beside or in place of the protocol\'s: \'{"max_tokens": null, "max_completion_tokens": 4000, "temperature": 1}\'',
  ),
  ...budgetOptions,
  ...ladderOptions,
  concurrency: text("N", `questions at a time (${CONCURRENCY})`),
  "until-decided": text(
    "ALPHA",
    "ask in a drawn order, and stop when better or worse is settled; 0.05 is wrong 5 times in 100 at most",
  ),
} as const

type Values = OptionValues<typeof askingOptions> & CanaryValues & AnswerValues

export interface Asked {
  /** With the verdicts. */
  readonly file: string
  /** With --until-decided. */
  readonly decision: Decision | undefined
}

/** The suite by its name, and how it may be asked; the first is how it is asked if nothing is said. */
export interface AskedSuite {
  readonly name: string
  readonly protocols: readonly ProtocolName[]
}

/** Throws UsageError, JudgeUnusable, and CommandFailed with exit code 3 where some are missing. */
export async function askedAnnotations(
  suite: AskedSuite,
  values: Values,
  { tell }: Pick<Terminal, "tell">,
): Promise<Asked> {
  const { model, pairs: joined, directory } = await answersOf(suite, values, tell)
  const given = (option: "judge" | "url") => {
    if (values[option] !== undefined) return values[option]
    throw new UsageError(`--${option} is missing, since --outputs is to be judged now`)
  }
  const endpoint = { url: gatewayUrl(given("url")), judge: given("judge"), apiKey: judgeKey() }
  const asked = askedAs(suite, values)
  refuseUntrusted(values, { ...asked, judge: endpoint.judge, protocol: asked.protocol.name }, { tell })
  const rung = rungBelow(suite.name, endpoint.judge, values)
  const all = await judgedPairs(joined, endpoint.judge, asked)
  const pairs = rung === undefined ? all : aboveRung(all, rung)
  const questions = questionsOf(pairs)
  const toldApart = questions.length > 0 ? canariesOf(values) : []
  const { protocol, template, parameters } = asked
  const canaries = await askedCanaries(endpoint.judge, template, protocol, parameters, toldApart)
  const budget = budgetOf(values, questions.length + canaries.length * 2)
  const { concurrency, alpha } = paceOf(values)
  const unlock = lockFolder(directory)
  try {
    const records = openJudgeRecords(directory, endpoint.judge)
    const run = {
      suite: suite.name,
      protocol: protocol.name,
      judge: endpoint.judge,
      model,
      parameters,
      template,
      pairs: pairs.map(askedPair),
    }
    writeAskedRun(directory, run)
    const asking = { endpoint, records, budget, concurrency }
    const about = { pairs, questions, canaries, protocol }
    const { unanswered, decision } = await ask(about, asking, alpha, tell).finally(records.close)
    const file = writeAnnotations(directory, run, records)
    refuseUnfinished(unanswered, questions.length, budget)
    return { file, decision }
  } finally {
    unlock()
  }
}

/** How many at a time, and until when. Throws UsageError. */
function paceOf(values: Values): { readonly concurrency: number; readonly alpha: number | undefined } {
  const { concurrency = `${CONCURRENCY}`, "until-decided": untilDecided } = values
  return {
    concurrency: positiveIntegerOf("concurrency", concurrency, MAX_CONCURRENCY),
    alpha:
      untilDecided === undefined
        ? undefined
        : numberOf("until-decided", untilDecided, (chance) => chance > 0 && chance < 1, "a chance above 0, below 1"),
  }
}

/** Throws UsageError, UnusableJudgements. */
function askedAs({ name, protocols }: AskedSuite, values: Values): AskedAs {
  const known = protocols.join(" or ")
  const said = choiceOf("verdict", values.verdict, protocols, `${known} under --suite ${name}`)
  const protocol = PROTOCOLS[said ?? protocols[0]!]
  const { prompt, "max-tokens": most } = values
  if (most !== undefined && protocol.parameters.logprobs) {
    throw new UsageError("--max-tokens is of answers in words, and log-probs are of one token; leave it away")
  }
  const bound = most === undefined ? {} : { max_tokens: positiveIntegerOf("max-tokens", most, MAX_ANSWER_TOKENS) }
  const parameters = { ...protocol.parameters, ...bound }
  return {
    protocol,
    template: prompt === undefined ? protocol.template : readNamed("prompt", prompt, readPromptTemplate),
    parameters:
      values.parameters === undefined
        ? parameters
        : told(`--parameters ${values.parameters}`, () => withOwnParameters(parameters, values.parameters!)),
  }
}

interface ToAsk {
  readonly pairs: readonly JudgedPair[]
  /** Each once. */
  readonly questions: readonly JudgeQuestion[]
  readonly canaries: readonly AskedCanary[]
  readonly protocol: JudgeProtocol
}

/** Answers to be compared, or such as people have compared. */
async function answersOf({ name }: AskedSuite, values: Values, tell: Terminal["tell"]) {
  if (name !== "calibration") return readJoinedAnswers(values, tell)
  const { data, out } = values
  if (data === undefined) throw new UsageError("--data is missing: name pairs that people compared")
  if (out === undefined) throw new UsageError("--out is missing: say where the votes are to be kept")
  return { model: data, pairs: await readVotedAnswers(data, { tell }), directory: out }
}

const judgedPairs = (pairs: readonly (NamedPair & Partial<VotedAnswers>)[], judge: string, asked: AskedAs) =>
  Promise.all(pairs.map((pair, index) => judgedPair({ ...pair, id: pair.id ?? index }, judge, asked)))

/** Canaries first: a judge that does not know the better answer where it is known is not asked further. */
async function ask(
  { pairs, questions, canaries, protocol }: ToAsk,
  asking: Omit<Asking, "signal" | "onDone">,
  alpha: number | undefined,
  tell: Terminal["tell"],
): Promise<{ readonly unanswered: Unanswered; readonly decision: Decision | undefined }> {
  const progress = createProgress()
  const open = questions.filter(({ key }) => asking.records.answerTo(key) === undefined).length
  let done = 0
  const onDone = () => progress.show(`judged ${++done} of ${open}`, done === open)
  const stopping = () => progress.note("stopping; what was answered is kept")
  const first = canaries.flatMap((canary) => canary.questions)
  tell(foretold(pairs, [...first, ...questions], asking.records, asking.budget))
  return interruptible(stopping, async (signal) => {
    try {
      refuseUnfinished(await askUnder(protocol, first, { ...asking, signal }), first.length, asking.budget)
      refuseUnreadable(protocol, first, asking.records)
      for (const canary of canaries) {
        const warning = hearCanary(canary, asking.endpoint.judge, asking.records, OTHER_JUDGE)
        if (warning !== undefined) tell(`warning: ${warning}`)
      }
      const askSome = (some: readonly JudgeQuestion[], hasAnswered = false) =>
        askUnder(protocol, some, { ...asking, signal, onDone, hasAnswered })
      if (alpha === undefined)
        return { unanswered: await askAll(protocol, questions, asking.records, askSome), decision: undefined }
      const toDecide = pairs.map((pair): ToDecide => {
        return { questions: pair.questions, value: () => pairValue(pair, protocol, asking.records) }
      })
      return await askUntilDecided(toDecide, alpha, asking.concurrency, askSome)
    } catch (error) {
      if (!signal.aborted) throw error
      throw new CommandFailed("stopped before all was judged; what was answered is kept: start again to go on", 3)
    } finally {
      tell(spent(asking.records, asking.budget))
    }
  })
}

/** A few first, so that a judge whose answers cannot be read is not paid for all. Throws JudgeUnusable. */
async function askAll(
  protocol: JudgeProtocol,
  questions: readonly JudgeQuestion[],
  records: Asking["records"],
  askSome: (some: readonly JudgeQuestion[], hasAnswered?: boolean) => Promise<Unanswered>,
): Promise<Unanswered> {
  const [few, others] = [questions.slice(0, FIRST_QUESTIONS), questions.slice(FIRST_QUESTIONS)]
  const first = await askSome(few)
  refuseUnreadable(protocol, few, records)
  const hasAnswered = few.some(({ key }) => typeof records.answerTo(key) === "object")
  const then = await askSome(others, hasAnswered)
  return {
    refused: first.refused + then.refused,
    failed: first.failed + then.failed,
    beyondBudget: first.beyondBudget + then.beyondBudget,
    lastReason: then.lastReason || first.lastReason,
  }
}

/** Throws CommandFailed with exit code 3 where questions have no answer yet. */
export function refuseUnfinished(unanswered: Unanswered, questions: number, { tokens }: JudgeBudget): void {
  const { failed, beyondBudget, lastReason } = unanswered
  if (failed + beyondBudget === 0) return
  const limits = tokens === undefined ? "--max-requests or --max-cost" : "--max-requests, --token-budget or --max-cost"
  const last = failed > 0 || lastReason === "" ? "" : ` (the last request failed: ${lastReason})`
  const mend = beyondBudget > 0 ? "start again, with a higher limit, to go on" : "start again to go on"
  const why = [
    ...(failed > 0 ? [`${failed} failed again and again (the last: ${lastReason})`] : []),
    ...(beyondBudget > 0 ? [`for ${beyondBudget} nothing was left of ${limits}${last}`] : []),
  ]
  throw new CommandFailed(
    `${failed + beyondBudget} of ${questions} questions have no answer: ${why.join("; ")}. What was answered is kept: ${mend}`,
    3,
  )
}
