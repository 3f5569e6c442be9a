// Has a judge asked about a model's answers beside a baseline's, and writes the verdicts as annotations. What was answered before is not asked again.
import path from "node:path"
import { askJudge, type Unanswered } from "#gpu-runner/client/judge/ask-judge.ts"
import { openJudgeRecords } from "#gpu-runner/client/judge/judge-records.ts"
import { writeFileAtomically } from "#gpu-runner/data/files.ts"
import { lockFolder } from "#gpu-runner/data/run/folder-lock.ts"
import { codePointLength, DRAW, preferenceOf } from "#shared/evaluation/alpaca-eval/annotation.ts"
import { joinedAnswers, readAnswerFile } from "#shared/evaluation/judge/answer-file.ts"
import type { JudgeAnswer } from "#shared/evaluation/judge/judge-answer.ts"
import { type JudgeQuestion, judgeQuestion, type PairOfAnswers } from "#shared/evaluation/judge/judge-question.ts"
import { DEFAULT_TEMPLATE, readPromptTemplate } from "#shared/evaluation/judge/prompt-template.ts"
import { CommandFailed, type OptionValues, type Terminal, UsageError } from "../command.ts"
import { gatewayUrl } from "../gateway-access.ts"
import { interruptible } from "../interruptible.ts"
import { positiveIntegerOf, text } from "../options.ts"
import { createProgress } from "../progress.ts"
import { readNamed, told } from "./suite.ts"

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
  "max-requests": text("N", "never more, over all starts together; by default twice the pairs that are to be judged"),
  concurrency: text("N", `questions at a time (${CONCURRENCY})`),
} as const

type Values = OptionValues<typeof askingOptions>

interface JudgedPair extends PairOfAnswers {
  /** Absent for answers that are equal, which are a draw. */
  readonly question: JudgeQuestion | undefined
}

/** The file with the verdicts. Throws UsageError, JudgeUnusable, and CommandFailed with exit code 3 where some are missing. */
export async function askedAnnotations(values: Values, terminal: Pick<Terminal, "tell">): Promise<string> {
  const given = (option: "baseline" | "judge" | "url" | "out" | "outputs") => {
    if (values[option] !== undefined) return values[option]
    throw new UsageError(`--${option} is missing, since --outputs is to be judged now`)
  }
  const outputs = readNamed("outputs", given("outputs"), readAnswerFile)
  const baseline = readNamed("baseline", given("baseline"), readAnswerFile)
  const endpoint = { url: gatewayUrl(given("url")), judge: given("judge"), apiKey: process.env[KEY_VARIABLE] }
  const template =
    values.prompt === undefined ? DEFAULT_TEMPLATE : readNamed("prompt", values.prompt, readPromptTemplate)
  const pairs = await Promise.all(
    told(given("outputs"), () => joinedAnswers(baseline, outputs)).map(
      async (pair): Promise<JudgedPair> => ({
        ...pair,
        question: pair.baseline === pair.model ? undefined : await judgeQuestion(endpoint.judge, template, pair),
      }),
    ),
  )
  const directory = given("out")
  const questions = pairs.flatMap(({ question }) => question ?? [])
  const maxRequests = positiveIntegerOf(
    "max-requests",
    values["max-requests"] ?? `${Math.max(1, 2 * questions.length)}`,
  )
  const concurrency = positiveIntegerOf("concurrency", values.concurrency ?? `${CONCURRENCY}`, MAX_CONCURRENCY)
  const unlock = lockFolder(directory)
  const records = openJudgeRecords(directory, endpoint.judge)
  try {
    const open = questions.filter(({ key }) => records.answerTo(key) === undefined).length
    terminal.tell(
      `${pairs.length} pairs: ${pairs.length - questions.length} equal, ${questions.length - open} judged before, ${open} to ask; ` +
        `${records.requests()} of at most ${maxRequests} requests are spent`,
    )
    const unanswered = await asked(questions, { endpoint, records, maxRequests, concurrency }, open)
    const file = path.join(directory, ANNOTATIONS_FILE)
    const rows = pairs.map((pair, index) => annotationRow(pair, index, records.answerTo))
    const model = outputs.model ?? path.parse(given("outputs")).name
    writeFileAtomically(file, `${JSON.stringify({ model, judge: endpoint.judge, rows })}\n`)
    refuseUnfinished(unanswered, questions.length)
    return file
  } finally {
    records.close()
    unlock()
  }
}

async function asked(
  questions: readonly JudgeQuestion[],
  asking: Omit<Parameters<typeof askJudge>[1], "signal" | "onDone">,
  open: number,
): Promise<Unanswered> {
  const progress = createProgress()
  let done = 0
  const onDone = () => progress.show(`judged ${++done} of ${open}`, done === open)
  const stopping = () => progress.note("stopping; what was answered is kept")
  return interruptible(stopping, (signal) => askJudge(questions, { ...asking, signal, onDone }))
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
    ...(beyondBudget > 0 ? [`for ${beyondBudget} no request was left of --max-requests`] : []),
  ]
  throw new CommandFailed(
    `${failed + beyondBudget} of ${questions} questions have no answer: ${why.join("; ")}. What was answered is kept: start again to go on`,
    3,
  )
}
