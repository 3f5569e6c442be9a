// `yohaku safety`: a suite's prompts for `yohaku generate`, and how often answers to them refuse, by rule; and by a judge where one is named. No GPU.
import { readFileSync } from "node:fs"
import { InvalidDataFile } from "#gpu-runner/data/errors.ts"
import { createLineFile } from "#gpu-runner/data/files.ts"
import { parseLine, readLines } from "#gpu-runner/data/rows/json-lines.ts"
import { InvalidCsv } from "#shared/formats/tables/csv.ts"
import {
  InvalidSuite,
  type JudgedRefusals,
  judgedRefusalRates,
  type RefusalRate,
  type RefusalRates,
  readSuite,
  refusalRates,
  type SuitePrompt,
} from "#shared/gates/suites.ts"
import { defineCommand, UsageError } from "../command.ts"
import { judgedRefusals, type Labels, refusalOptionIn, refusalOptions, type SuiteAnswer } from "../judge/refusals.ts"
import { requiredText, text } from "../options.ts"
import { checkOutFile } from "../out-folder.ts"

export const command = defineCommand({
  name: "safety",
  summary: "How often answers to a suite's harmful and harmless prompts refuse.",
  details:
    "FILE of --suite is the CSV of XSTest (columns id, type, prompt; label where there is one) or of HarmBench (Behavior, FunctionalCategory,\n" +
    "BehaviorID, ContextString). --prompts writes its prompts for `yohaku generate`; --responses reads what that wrote. A refusal is told by the\n" +
    "opening words of an answer, in English and Japanese: compare two models by it, do not trust one rate by itself. Refusing everything is no\n" +
    "safety, so both rates are shown. With --judge a model is asked of every answer, too, whether it refuses; what it said is kept in --out.",
  options: {
    suite: requiredText("FILE", "a suite's CSV"),
    prompts: text("FILE", "where to write its prompts, as JSON Lines"),
    responses: text("FILE", "what `yohaku generate` wrote for them"),
    baseline: text("FILE", "the same of another model, to compare with"),
    ...refusalOptions,
  },
  run: async ({ suite: file, prompts, responses, baseline, ...asked }, terminal) => {
    if ((prompts === undefined) === (responses === undefined))
      throw new UsageError(
        "give either --prompts, to write a suite's prompts, or --responses, to judge answers to them",
      )
    if (baseline !== undefined && responses === undefined) throw new UsageError("--baseline goes with --responses")
    const suite = suiteIn(file)
    if (prompts !== undefined) {
      const given = refusalOptionIn(asked)
      if (given !== undefined) throw new UsageError(`--${given} goes with --responses`)
      writePrompts(suite, prompts)
      terminal.answer({ out: prompts, prompts: suite.length }, () => `${prompts}: ${suite.length} prompts`)
      return
    }
    const files = [responses!, ...(baseline === undefined ? [] : [baseline])].map(answersIn)
    const labelOf = await judgedRefusals(
      files.flatMap((answersOf) => suiteAnswers(suite, answersOf)),
      asked,
      terminal,
    )
    const [rates, ofBaseline] = files.map((answersOf) => ratesOf(suite, answersOf, labelOf))
    terminal.answer({ ...rates!, ...(ofBaseline === undefined ? {} : { baseline: ofBaseline }) }, () =>
      [...linesOf("", rates!), ...(ofBaseline === undefined ? [] : linesOf("baseline ", ofBaseline))].join("\n"),
    )
  },
})

type AnswersOf = (id: string) => readonly string[]
type Rates = RefusalRates & { readonly byJudge?: JudgedRefusals }

const suiteAnswers = (suite: readonly SuitePrompt[], answersOf: AnswersOf): SuiteAnswer[] =>
  suite.flatMap((prompt) => answersOf(prompt.id).map((answer) => ({ prompt, answer })))

const ratesOf = (suite: readonly SuitePrompt[], answersOf: AnswersOf, labelOf: Labels | undefined): Rates => ({
  ...refusalRates(suite, answersOf),
  ...(labelOf === undefined
    ? {}
    : { byJudge: judgedRefusalRates(suite, answersOf, (prompt, answer) => labelOf({ prompt, answer })) }),
})

function suiteIn(file: string): readonly SuitePrompt[] {
  let csv: string
  try {
    csv = new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(file))
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code !== undefined
    throw new InvalidDataFile(file, 0, isMissing ? "cannot be read; give a CSV file" : "is not UTF-8; save it as UTF-8")
  }
  try {
    return readSuite(csv)
  } catch (error) {
    if (error instanceof InvalidSuite) throw new InvalidDataFile(file, 0, error.message)
    if (error instanceof InvalidCsv) throw new InvalidDataFile(file, error.line, error.message)
    throw error
  }
}

function writePrompts(suite: readonly SuitePrompt[], out: string): void {
  checkOutFile(out)
  const lines = createLineFile(out)
  for (const { id, prompt } of suite) lines.write(JSON.stringify({ id, prompt: [{ role: "user", content: prompt }] }))
  lines.finish()
}

/** Of a file of responses; answers to other prompts are left alone. */
function answersIn(file: string): AnswersOf {
  const answers = new Map<string, readonly string[]>()
  for (const line of readLines(file).lines) {
    const { id, responses } = parseLine(file, line)
    if (!isListOfTexts(responses))
      throw new InvalidDataFile(
        file,
        line.line,
        '"responses" is no list of {"text"}; give what `yohaku generate` wrote',
      )
    answers.set(
      String(id),
      responses.map(({ text: answer }) => answer),
    )
  }
  return (id) => answers.get(id) ?? []
}

const isListOfTexts = (value: unknown): value is readonly { readonly text: string }[] =>
  Array.isArray(value) && value.every((of) => typeof (of as { readonly text?: unknown } | null)?.text === "string")

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

const rateLine = (name: string, rate: RefusalRate | undefined): string[] =>
  rate === undefined
    ? []
    : [
        `${name} ${percent(rate.share)} (${rate.refused} of ${rate.prompts}, 95 % interval ${percent(rate.low)} to ${percent(rate.high)})`,
      ]

const linesOf = (who: string, { refusal, overRefusal, unanswered, byJudge }: Rates): string[] => [
  ...rateLine(`${who}refuses of harmful prompts`, refusal),
  ...rateLine(`${who}refuses of harmless prompts`, overRefusal),
  ...(byJudge === undefined ? [] : judgeLines(who, byJudge)),
  ...(unanswered === 0 ? [] : [`${who}has no answer to ${unanswered} prompts`]),
]

const judgeLines = (who: string, { refusal, overRefusal, partly, notJudged, agreed, judged }: JudgedRefusals) => [
  ...rateLine(`${who}by the judge refuses of harmful prompts`, refusal),
  ...rateLine(`${who}by the judge refuses of harmless prompts`, overRefusal),
  `${who}the rule goes with the judge in ${agreed} of ${judged} answers, of which ${partly} refuse in part` +
    `${notJudged === 0 ? "" : `; of ${notJudged} the judge says nothing that can be read`}`,
]
