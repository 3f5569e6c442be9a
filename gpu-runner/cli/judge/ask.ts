// Has a judge asked about a model's answers beside a baseline's, and writes the verdicts as annotations. What was answered before is not asked again.
import path from "node:path"
import { type Asking, askJudge, type JudgeBudget, type Unanswered } from "#gpu-runner/client/judge/ask-judge.ts"
import { JudgeUnusable } from "#gpu-runner/client/judge/judge-endpoint.ts"
import { type JudgeRecords, openJudgeRecords } from "#gpu-runner/client/judge/judge-records.ts"
import { writeFileAtomically } from "#gpu-runner/data/files.ts"
import { lockFolder } from "#gpu-runner/data/run/folder-lock.ts"
import { codePointLength, DRAW, preferenceOf } from "#shared/evaluation/alpaca-eval/annotation.ts"
import { joinedAnswers, readAnswerFile } from "#shared/evaluation/judge/answer-file.ts"
import { type AskedCanary, askedCanaries, shareOfGood } from "#shared/evaluation/judge/canaries.ts"
import type { JudgeAnswer } from "#shared/evaluation/judge/judge-answer.ts"
import { costOf, usualTokens } from "#shared/evaluation/judge/judge-cost.ts"
import { type JudgeQuestion, judgeQuestion, type PairOfAnswers } from "#shared/evaluation/judge/judge-question.ts"
import { DEFAULT_TEMPLATE, type Message, readPromptTemplate } from "#shared/evaluation/judge/prompt-template.ts"
import { warningsOfAnswers } from "#shared/evaluation/judge/suspicious-answers.ts"
import { CommandFailed, type OptionValues, type Terminal, UsageError } from "../command.ts"
import { gatewayUrl } from "../gateway-access.ts"
import { interruptible } from "../interruptible.ts"
import { flag, positiveIntegerOf, text } from "../options.ts"
import { createProgress } from "../progress.ts"
import { numberOf, readNamed, told } from "./suite.ts"
import { askUntilDecided, type Decision, type ToDecide } from "./until-decided.ts"

export const KEY_VARIABLE = "YOHAKU_JUDGE_KEY"
export const ANNOTATIONS_FILE = "annotations.json"
const CONCURRENCY = 4
const MAX_CONCURRENCY = 64

export const askingOptions = {
  outputs: text("FILE", "in place of --annotations: a model's answers, to be judged now"),
  baseline: text("FILE", "the answers that they are compared with"),
  judge: text("NAME", "the model that judges, as its endpoint calls it; a dated name, not one that moves"),
  url: text("URL", `an OpenAI-compatible endpoint up to /v1, that gives log-probs; its key is in ${KEY_VARIABLE}`),
  out: text("DIR", "where records and annotations.json are kept; started again, nothing is asked twice"),
  prompt: text(
    "FILE",
    "what the judge is asked, with {instruction}, {output_1} and {output_2}; by default words of our own",
  ),
  "max-requests": text("N", "never more, over all starts together; by default twice the questions"),
  price: text("IN,OUT", "of a million tokens that the judge reads, and that it writes; then costs are told"),
  "max-cost": text("AMOUNT", "never more by --price, over all starts together"),
  concurrency: text("N", `questions at a time (${CONCURRENCY})`),
  "until-decided": text(
    "ALPHA",
    "ask in a drawn order, and stop when better or worse is settled; 0.05 is wrong 5 times in 100 at most",
  ),
  "skip-canaries": flag("do not ask first about pairs whose better answer is known"),
} as const

type Values = OptionValues<typeof askingOptions>

interface JudgedPair extends PairOfAnswers {
  /** Absent for answers that are equal, which are a draw. */
  readonly question: JudgeQuestion | undefined
}

export interface Asked {
  /** With the verdicts. */
  readonly file: string
  /** With --until-decided. */
  readonly decision: Decision | undefined
}

/** Throws UsageError, JudgeUnusable, and CommandFailed with exit code 3 where some are missing. */
export async function askedAnnotations(values: Values, terminal: Pick<Terminal, "tell">): Promise<Asked> {
  const given = (option: "baseline" | "judge" | "url" | "out" | "outputs") => {
    if (values[option] !== undefined) return values[option]
    throw new UsageError(`--${option} is missing, since --outputs is to be judged now`)
  }
  const outputs = readNamed("outputs", given("outputs"), readAnswerFile)
  const baseline = readNamed("baseline", given("baseline"), readAnswerFile)
  const endpoint = { url: gatewayUrl(given("url")), judge: given("judge"), apiKey: process.env[KEY_VARIABLE] }
  const template =
    values.prompt === undefined ? DEFAULT_TEMPLATE : readNamed("prompt", values.prompt, readPromptTemplate)
  const joined = told(given("outputs"), () => joinedAnswers(baseline, outputs))
  for (const warning of warningsOfAnswers(joined.map((pair) => pair.model))) terminal.tell(`warning: ${warning}`)
  const pairs = await judgedPairs(joined, endpoint.judge, template)
  const questions = pairs.flatMap(({ question }) => question ?? [])
  const hasCanaries = questions.length > 0 && !values["skip-canaries"]
  const about = { pairs, questions, canaries: hasCanaries ? await askedCanaries(endpoint.judge, template) : [] }
  const budget = budgetOf(values, questions.length + about.canaries.length * 2)
  const concurrency = positiveIntegerOf("concurrency", values.concurrency ?? `${CONCURRENCY}`, MAX_CONCURRENCY)
  const untilDecided = values["until-decided"]
  const alpha =
    untilDecided === undefined
      ? undefined
      : numberOf("until-decided", untilDecided, (chance) => chance > 0 && chance < 1, "a chance above 0, below 1")
  const model = outputs.model ?? path.parse(given("outputs")).name
  const directory = given("out")
  const unlock = lockFolder(directory)
  try {
    const records = openJudgeRecords(directory, endpoint.judge)
    const asking = { endpoint, records, budget, concurrency }
    const { unanswered, decision } = await asked(about, asking, alpha, terminal).finally(records.close)
    const rows = pairs.map((pair, index) => annotationRow(pair, index, records.answerTo))
    const file = path.join(directory, ANNOTATIONS_FILE)
    writeFileAtomically(file, `${JSON.stringify({ model, judge: endpoint.judge, rows })}\n`)
    refuseUnfinished(unanswered, questions.length)
    return { file, decision }
  } finally {
    unlock()
  }
}

interface ToAsk {
  readonly pairs: readonly JudgedPair[]
  readonly questions: readonly JudgeQuestion[]
  readonly canaries: readonly AskedCanary[]
}

function judgedPairs(
  pairs: readonly PairOfAnswers[],
  judge: string,
  template: readonly Message[],
): Promise<JudgedPair[]> {
  return Promise.all(
    pairs.map(async (pair) => ({
      ...pair,
      question: pair.baseline === pair.model ? undefined : await judgeQuestion(judge, template, pair),
    })),
  )
}

/** Throws UsageError. */
function budgetOf(values: Values, questions: number): JudgeBudget {
  const { price, "max-cost": most, "max-requests": written } = values
  const requests = positiveIntegerOf("max-requests", written ?? `${Math.max(1, 2 * questions)}`)
  if (price === undefined && most === undefined) return { requests }
  const parts = price?.split(",").map(Number) ?? []
  if (parts.length !== 2 || !parts.every((part) => part >= 0)) {
    throw new UsageError(
      `--price ${price ?? "is missing"}: give two amounts for a million tokens, read and written: 2,8`,
    )
  }
  const limit =
    most === undefined ? Number.POSITIVE_INFINITY : numberOf("max-cost", most, (sum) => sum >= 0, "an amount")
  return { requests, money: { most: limit, price: { prompt: parts[0]!, completion: parts[1]! } } }
}

const amount = (cost: number) => `${Number(cost.toPrecision(4))}`

function foretold(
  { pairs, questions, canaries }: ToAsk,
  records: JudgeRecords,
  { requests, money }: JudgeBudget,
): string {
  const all = [...canaries.flatMap((canary) => canary.questions), ...questions]
  const open = all.filter(({ key }) => records.answerTo(key) === undefined)
  const asks = `${pairs.length} pairs, ${pairs.length - questions.length} of equal answers; ${open.length} of ${all.length} questions to ask`
  const limits = `${records.requests()} of at most ${requests} requests are spent`
  if (money === undefined) return `${asks}; ${limits}`
  const limit = Number.isFinite(money.most) ? ` of at most ${amount(money.most)}` : ""
  const about = amount(costOf(usualTokens(open), money.price))
  return `${asks}, for about ${about}; ${limits}, and ${amount(costOf(records.tokens(), money.price))}${limit}`
}

function spent(records: JudgeRecords, { money }: JudgeBudget): string {
  const { prompt, completion } = records.tokens()
  const cost = money === undefined ? "" : `, no more than ${amount(costOf(records.tokens(), money.price))}`
  return `${records.requests()} requests so far: ${prompt} tokens read, ${completion} written${cost}`
}

/** Canaries first: a judge that does not know the better answer where it is known is not asked further. */
async function asked(
  { pairs, questions, canaries }: ToAsk,
  asking: Omit<Asking, "signal" | "onDone">,
  alpha: number | undefined,
  { tell }: Pick<Terminal, "tell">,
): Promise<{ readonly unanswered: Unanswered; readonly decision: Decision | undefined }> {
  const progress = createProgress()
  const open = questions.filter(({ key }) => asking.records.answerTo(key) === undefined).length
  let done = 0
  const onDone = () => progress.show(`judged ${++done} of ${open}`, done === open)
  const stopping = () => progress.note("stopping; what was answered is kept")
  tell(foretold({ pairs, questions, canaries }, asking.records, asking.budget))
  return interruptible(stopping, async (signal) => {
    try {
      const first = canaries.flatMap((canary) => canary.questions)
      refuseUnfinished(await askJudge(first, { ...asking, signal }), first.length)
      for (const canary of canaries) hearCanary(canary, asking, tell)
      const ask = (some: readonly JudgeQuestion[]) => askJudge(some, { ...asking, signal, onDone })
      if (alpha === undefined) return { unanswered: await ask(questions), decision: undefined }
      return await askUntilDecided(pairs.map(toDecide(asking.records)), alpha, asking.concurrency, ask)
    } catch (error) {
      if (!signal.aborted) throw error
      throw new CommandFailed("stopped before all was judged; what was answered is kept: start again to go on", 3)
    } finally {
      tell(spent(asking.records, asking.budget))
    }
  })
}

const toDecide =
  ({ answerTo }: JudgeRecords) =>
  (pair: JudgedPair, index: number): ToDecide => ({
    question: pair.question,
    value: () => {
      const { pref } = annotationRow(pair, index, answerTo)
      return pref === null ? undefined : pref - 1
    },
  })

/** Throws JudgeUnusable. */
function hearCanary(
  canary: AskedCanary,
  { endpoint, records }: Omit<Asking, "signal">,
  tell: (text: string) => void,
): void {
  const share = shareOfGood(canary, records.answerTo)
  if (share === undefined || share > 0.5) return
  const preferred = `${endpoint.judge} prefers ${JSON.stringify(canary.bad)} to ${JSON.stringify(canary.good)}`
  if (canary.isProbe) {
    tell(`warning: ${preferred}: answers that talk to it win. Look into the answers before you believe a rate`)
    return
  }
  throw new JudgeUnusable(
    `${preferred} as an answer to ${JSON.stringify(canary.instruction)}: what it says of others counts for nothing; choose another judge or prompt, or ` +
      "say --skip-canaries",
  )
}

function annotationRow(
  { baseline, model, question }: JudgedPair,
  index: number,
  answerTo: (key: string) => JudgeAnswer | "refused" | undefined,
) {
  const lengths = { i: index, len1: codePointLength(baseline), len2: codePointLength(model) }
  if (question === undefined) return { ...lengths, pref: DRAW }
  const answer = answerTo(question.key)
  if (answer === undefined || answer === "refused") return { ...lengths, pref: null }
  const verdict = { ...answer.verdict, isSwapped: question.isSwapped }
  const { first, second, isSwapped } = verdict
  return { ...lengths, pref: preferenceOf(verdict) ?? null, lp_m: first, lp_M: second, swapped: isSwapped }
}

function refuseUnfinished({ failed, beyondBudget, lastReason }: Unanswered, questions: number): void {
  if (failed + beyondBudget === 0) return
  const why = [
    ...(failed > 0 ? [`${failed} failed again and again (the last: ${lastReason})`] : []),
    ...(beyondBudget > 0 ? [`for ${beyondBudget} nothing was left of --max-requests or --max-cost`] : []),
  ]
  throw new CommandFailed(
    `${failed + beyondBudget} of ${questions} questions have no answer: ${why.join("; ")}. What was answered is kept: start again to go on`,
    3,
  )
}
