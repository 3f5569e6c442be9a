// The answers that a judge compares: files of a model's and of a baseline's, joined, and told of where they are suspicious.
import path from "node:path"
import { joinedAnswers, type NamedPair, readAnswerFile } from "#shared/evaluation/judge/answer-file.ts"
import { readPromptSet } from "#shared/evaluation/judge/prompt-set.ts"
import { warningsOfAnswers } from "#shared/evaluation/judge/suspicious-answers.ts"
import { type Terminal, UsageError } from "../command.ts"
import { text } from "../options.ts"
import { readNamed, told } from "./suite.ts"

export const answerOptions = {
  outputs: text("FILE", "in place of --annotations: a model's answers, to be judged now"),
  baseline: text("FILE", "the answers that they are compared with"),
  prompts: text("FILE", "the prompts, where answers name them by id alone, as yohaku generate writes them"),
  data: text(
    "FILE",
    "with --suite calibration, in place of --outputs: pairs that people compared, in any accepted shape",
  ),
  out: text("DIR", "where records and annotations.json are kept; started again, nothing is asked twice"),
} as const

export type AnswerValues = { readonly [Option in keyof typeof answerOptions]?: string | undefined }

export interface JoinedAnswers {
  readonly model: string
  readonly pairs: readonly NamedPair[]
  /** --out. */
  readonly directory: string
}

/** Throws UsageError, UnusableJudgements. */
export function readJoinedAnswers(values: AnswerValues, tell: Terminal["tell"]): JoinedAnswers {
  const given = (option: "outputs" | "baseline" | "out") => {
    if (values[option] !== undefined) return values[option]
    throw new UsageError(`--${option} is missing, since --outputs is to be judged now`)
  }
  const [outputsFile, baselineFile, directory] = [given("outputs"), given("baseline"), given("out")]
  const prompts = values.prompts === undefined ? undefined : readNamed("prompts", values.prompts, readPromptSet)
  const read = (option: "outputs" | "baseline", file: string) => {
    const answers = readNamed(option, file, (bytes) => readAnswerFile(bytes, prompts))
    if (answers.leftOut > 0)
      tell(`warning: ${file} has ${answers.leftOut} further responses to its prompts: the first to each is judged`)
    return answers
  }
  const outputs = read("outputs", outputsFile)
  const baseline = read("baseline", baselineFile)
  const pairs = told(outputsFile, () => joinedAnswers(baseline, outputs))
  for (const warning of warningsOfAnswers(pairs.map(({ model }) => model))) tell(`warning: ${warning}`)
  return { model: outputs.model ?? path.parse(outputsFile).name, pairs, directory }
}
