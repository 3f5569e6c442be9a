// What `yohaku eval` tells of a model's own answers: held against another's to the same suite, judged by the reward that an adapter learnt. The same
// steps and numbers as the loop's evaluations, on this machine.
import path from "node:path"
import { InvalidDataFile } from "#gpu-runner/data/errors.ts"
import { readWholeFile } from "#gpu-runner/data/files.ts"
import { readAdapterFolder } from "#gpu-runner/data/model/model-folder.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import { plannedSequences, tokenisedPrompts } from "#gpu-runner/generation/inputs.ts"
import { openGenerator } from "#gpu-runner/generation/open-generator.ts"
import { writeResponses } from "#gpu-runner/generation/write-responses.ts"
import { percent } from "#gpu-runner/trainer/quantities.ts"
import { scoreAnswers } from "#gpu-runner/trainer/results/score-answers.ts"
import type { ScoringModel } from "#gpu-runner/trainer/results/scorer.ts"
import type { JudgeAccuracy } from "#shared/domain/WinRate.ts"
import { type AnswerWinRate, answerWinRate, type JudgedAnswer } from "#shared/evaluation/judge/answer-win-rate.ts"
import { DEFAULT_REWARD } from "#shared/evaluation/judge/implicit-reward.ts"
import type { Adapter } from "#shared/formats/peft/adapter.ts"
import { InvalidSuite, readSuite, type SuitePrompt } from "#shared/judgement/sources/prompt-suite.ts"
import type { Answers } from "#shared/wire/responses.ts"
import { judgeAccuracyOn, judgedAnswers, lengthsOf } from "#shared/workflows/judged-answers.ts"
import { type OptionValues, UsageError } from "./command.ts"
import { positiveIntegerOf, text } from "./options.ts"
import { createProgress } from "./progress.ts"

const USUAL_TOKENS = 256
const MOST_TOKENS = 4096

export const answerOptions = {
  prompts: text("FILE", 'a suite to answer: JSON Lines of {"id", "prompt"}'),
  judge: text("DIR", "an adapter of the same base whose learnt reward judges the answers"),
  against: text("DIR", "an adapter whose answers they are held against (the base's)"),
  "max-tokens": text("COUNT", `most tokens of an answer (${USUAL_TOKENS})`),
} as const

type Values = OptionValues<typeof answerOptions> & { readonly adapter?: string | undefined }

/** What is answered, by whom, and who judges. */
export interface AnswerInputs {
  readonly file: string
  readonly suite: readonly SuitePrompt[]
  readonly judge: Adapter
  readonly against: Adapter | undefined
  readonly maxTokens: number
}

/** Errors: UsageError. */
export function checkAnswerOptions({ prompts, judge, against, adapter, "max-tokens": maxTokens }: Values): void {
  if ((prompts === undefined) !== (judge === undefined))
    throw new UsageError(
      "--prompts and --judge go together: somebody answers, and somebody judges; give both or neither",
    )
  if (prompts === undefined && (against ?? maxTokens) !== undefined)
    throw new UsageError("--against and --max-tokens are of answers; give --prompts and --judge too")
  if (prompts === undefined) return
  const folder = (given: string | undefined) => (given === undefined ? undefined : path.resolve(given))
  if (folder(adapter) === folder(against))
    throw new UsageError("the answers would be held against themselves; give --adapter, or another --against")
  if (folder(judge) === folder(adapter))
    throw new UsageError("a model that judges its own answers likes them; give another --judge")
}

/** Reads them, before a device is opened; undefined where no answers are asked for. Errors: InvalidDataFile, those of readAdapterFolder. */
export function answerInputsOf(values: Values, { model }: Pick<ScoringModel, "model">): AnswerInputs | undefined {
  const { prompts: file, judge, against } = values
  if (file === undefined || judge === undefined) return undefined
  const maxTokens = values["max-tokens"]
  return {
    ...{ file, suite: suiteIn(file), judge: readAdapterFolder(judge, model).adapter },
    against: against === undefined ? undefined : readAdapterFolder(against, model).adapter,
    maxTokens: maxTokens === undefined ? USUAL_TOKENS : positiveIntegerOf("max-tokens", maxTokens, MOST_TOKENS),
  }
}

function suiteIn(file: string): SuitePrompt[] {
  try {
    return readSuite(readWholeFile(file))
  } catch (error) {
    if (error instanceof InvalidSuite) throw new InvalidDataFile(file, 0, error.message)
    throw error
  }
}

export interface AnswerReport extends AnswerWinRate {
  readonly judgeAccuracy?: JudgeAccuracy
}

/** Answers greedily, judges, counts. Errors: InvalidDataFile, those of openGenerator and scoreAnswers, TooLittleJudged. */
export async function answerReport(gpu: GpuDevice, policy: ScoringModel, asked: AnswerInputs): Promise<AnswerReport> {
  const { suite, judge } = asked
  const responses = await answered(gpu, policy, asked)
  const progress = createProgress()
  const base = { ...policy, adapter: undefined }
  const scores = await scoreAnswers({
    ...{ gpu, prompts: suite, responses, judge: { ...base, adapter: judge }, reference: base },
    onScored: (done, total) => progress.show(`judge: scored ${done} of ${total} answers`, done === total),
  })
  const answersOf = (name: string): JudgedAnswer[][] =>
    judgedAnswers(name, suite, scores, lengthsOf(responses.get(name)!))!
  const [candidate, against] = [answersOf("candidate"), answersOf("against")]
  const prompts = suite.map(({ groups }, index) => ({ groups, candidate: candidate[index]!, against: against[index]! }))
  const judgeAccuracy = judgeAccuracyOn(suite, scores, DEFAULT_REWARD)
  return { ...answerWinRate(prompts, DEFAULT_REWARD), ...(judgeAccuracy === undefined ? {} : { judgeAccuracy }) }
}

/** Both sides' answers, side by side in one batch. */
async function answered(gpu: GpuDevice, { model, adapter, baseWeights }: ScoringModel, asked: AnswerInputs) {
  const { suite, against, maxTokens, file } = asked
  const refused = ({ line }: SuitePrompt, fault: string) => new InvalidDataFile(file, line, fault)
  const inputs = { model, prompts: tokenisedPrompts(model, suite, refused) }
  const options = { count: 1, seed: 0, sampling: { temperature: 0 }, maxTokens, stops: [] }
  const speakers = [adapter, against]
  const voices = speakers.filter((speaker) => speaker !== undefined)
  const kept = speakers.map((speaker) => {
    const answers: Answers[] = []
    const write = (id: Answers["id"], responses: Answers["responses"]) => void answers.push({ id, responses })
    const voice = speaker === undefined ? undefined : voices.indexOf(speaker)
    return { answers, voice, file: { done: 0, write, close: () => undefined } }
  })
  const sequences = plannedSequences(inputs, options, { speakers: speakers.length })
  const generator = openGenerator(gpu, { source: model, voices, baseWeights, sequences })
  const progress = createProgress()
  const total = speakers.length * suite.length
  const onResponse = ({ responses }: { readonly responses: number }) =>
    progress.show(`answered ${responses} of ${total} prompts`, responses === total)
  try {
    await writeResponses(generator, inputs, options, kept, { onResponse })
  } finally {
    generator.close()
  }
  return new Map(["candidate", "against"].map((name, index) => [name, kept[index]!.answers] as const))
}

export function describeAnswers({
  rate,
  low,
  high,
  wins,
  ties,
  losses,
  lengthControlled,
  judgeAccuracy,
}: AnswerReport) {
  const interval = (of: { readonly low: number; readonly high: number }) =>
    `(95 % interval ${percent(of.low)} to ${percent(of.high)})`
  return [
    `answers  win rate ${percent(rate)} ${interval({ low, high })}: ${wins} won, ${ties} tied, ${losses} lost`,
    ...(lengthControlled
      ? [`         at equal length ${percent(lengthControlled.rate)} ${interval(lengthControlled)}`]
      : ["         no rate at equal length: too few verdicts to control length; take the raw rate"]),
    ...(judgeAccuracy
      ? [
          `judge    goes with people on ${percent(judgeAccuracy.accuracy)} of ${judgeAccuracy.pairs} pairs ${interval(judgeAccuracy)}; ` +
            `the longer answer does on ${percent(judgeAccuracy.longerWins)}`,
        ]
      : []),
  ]
}
