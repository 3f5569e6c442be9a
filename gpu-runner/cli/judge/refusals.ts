// Has a judge asked of every answer whether it refuses. What was answered before is not asked again, and no budget is passed.
import { existsSync } from "node:fs"
import path from "node:path"
import { askJudge } from "#gpu-runner/client/judge/ask-judge.ts"
import { type JudgeRecords, judgesInRecords, openJudgeRecords } from "#gpu-runner/client/judge/judge-records.ts"
import { lockFolder } from "#gpu-runner/data/run/folder-lock.ts"
import { ASKED_FILE } from "#shared/evaluation/judge/asked-run.ts"
import { withOwnParameters } from "#shared/evaluation/judge/judge-parameters.ts"
import type { JudgeQuestion } from "#shared/evaluation/judge/judge-question.ts"
import {
  REFUSAL_PARAMETERS,
  type RefusalLabel,
  refusalLabelOf,
  refusalQuestion,
} from "#shared/evaluation/judge/refusal-question.ts"
import type { SuitePrompt } from "#shared/gates/suites.ts"
import { CommandFailed, type OptionValues, type Terminal, UsageError } from "../command.ts"
import { gatewayUrl } from "../gateway-access.ts"
import { interruptible } from "../interruptible.ts"
import { positiveIntegerOf, text } from "../options.ts"
import { createProgress } from "../progress.ts"
import { refuseUnfinished } from "./ask.ts"
import { budgetOf, budgetOptions, spent } from "./judge-budget.ts"
import { judgeKey, KEY_VARIABLE } from "./judge-key.ts"
import { told } from "./suite.ts"

const CONCURRENCY = 4
const MAX_CONCURRENCY = 64

export const refusalOptions = {
  judge: text("NAME", "a model that is asked of every answer whether it refuses, as its endpoint calls it"),
  url: text("URL", `its OpenAI-compatible endpoint up to /v1; its key is in ${KEY_VARIABLE}`),
  out: text("DIR", "where what it was asked and said is kept; the same again asks nobody"),
  parameters: text("JSON", 'of the request, beside or in place of ours: \'{"max_tokens": 4000, "temperature": 1}\''),
  ...budgetOptions,
  concurrency: text("N", `questions at a time (${CONCURRENCY})`),
} as const

type Values = OptionValues<typeof refusalOptions>

/** An answer to a suite's prompt. */
export interface SuiteAnswer {
  readonly prompt: SuitePrompt
  readonly answer: string
}

/** What the judge says of an answer; undefined where it said nothing that can be read. */
export type Labels = (answer: SuiteAnswer) => RefusalLabel | undefined

/** The name of one of these options that was written; undefined where none was. */
export const refusalOptionIn = (values: Values): string | undefined =>
  Object.entries(values).find(([name, value]) => name in refusalOptions && value !== undefined)?.[0]

const nameOf = ({ prompt, answer }: SuiteAnswer): string => JSON.stringify([prompt.prompt, answer])

/** Undefined where no judge is asked for. Throws UsageError, JudgeUnusable, and CommandFailed with exit code 3 where some answers have no label yet. */
export async function judgedRefusals(
  answers: readonly SuiteAnswer[],
  values: Values,
  { tell }: Pick<Terminal, "tell">,
): Promise<Labels | undefined> {
  if (values.judge === undefined) {
    const given = refusalOptionIn(values)
    if (given === undefined) return undefined
    throw new UsageError(`--${given} goes with --judge`)
  }
  const { judge, url, out, parameters: own, concurrency = `${CONCURRENCY}` } = values
  if (url === undefined) throw new UsageError("--url is missing: say where the judge is")
  if (out === undefined) throw new UsageError("--out is missing: say where what the judge says is to be kept")
  const parameters =
    own === undefined
      ? REFUSAL_PARAMETERS
      : told(`--parameters ${own}`, () => withOwnParameters(REFUSAL_PARAMETERS, own))
  const questions = new Map<string, JudgeQuestion>()
  for (const one of answers) {
    const asked = { instruction: one.prompt.prompt, answer: one.answer }
    if (!questions.has(nameOf(one))) questions.set(nameOf(one), await refusalQuestion(judge, asked, parameters))
  }
  const endpoint = { url: gatewayUrl(url), judge, apiKey: judgeKey() }
  const budget = budgetOf(values, questions.size)
  const pace = positiveIntegerOf("concurrency", concurrency, MAX_CONCURRENCY)
  refuseOthersFolder(out, judge)
  const unlock = lockFolder(out)
  try {
    const records = openJudgeRecords(out, judge)
    try {
      await ask([...questions.values()], { endpoint, records, budget, concurrency: pace }, tell)
    } finally {
      records.close()
    }
    refuseUnlabelled([...questions.values()], records, judge)
    return (answer) => labelOf(records, questions.get(nameOf(answer)))
  } finally {
    unlock()
  }
}

/** What another was asked would be held against this budget. Throws UsageError. */
function refuseOthersFolder(out: string, judge: string): void {
  if (existsSync(path.join(out, ASKED_FILE)))
    throw new UsageError(`--out ${out} was --out of yohaku judge; choose another folder`)
  const other = [...judgesInRecords(out)].find((name) => name !== judge)
  if (other !== undefined) throw new UsageError(`--out ${out} holds what ${other} said; choose another folder`)
}

const labelOf = ({ answerTo }: JudgeRecords, question: JudgeQuestion | undefined): RefusalLabel | undefined => {
  const said = question === undefined ? undefined : answerTo(question.key)
  return said === undefined || said === "refused" ? undefined : refusalLabelOf(said.text)
}

const MOST_SHOWN = 80

/** Throws CommandFailed where nothing that the judge said is a label, with the first of it. */
function refuseUnlabelled(questions: readonly JudgeQuestion[], records: JudgeRecords, judge: string): void {
  if (questions.length === 0 || questions.some((question) => labelOf(records, question) !== undefined)) return
  const said = questions.map(({ key }) => records.answerTo(key)).find((answer) => typeof answer === "object")
  const words = typeof said === "object" ? JSON.stringify(said.text.slice(0, MOST_SHOWN)) : "nothing, and refused"
  throw new CommandFailed(
    `none of ${questions.length} answers has a label of REFUSES, PARTLY or COMPLIES: ${judge} said ${words}; take another --judge, or give it more tokens by --parameters`,
    1,
  )
}

async function ask(
  questions: readonly JudgeQuestion[],
  asking: Omit<Parameters<typeof askJudge>[1], "signal" | "onDone">,
  tell: Terminal["tell"],
): Promise<void> {
  const { records, budget } = asking
  const open = questions.filter(({ key }) => records.answerTo(key) === undefined).length
  tell(
    `${open} of ${questions.length} answers to ask about; ${records.heardRequests()} of at most ${budget.requests} requests are spent`,
  )
  const progress = createProgress()
  let done = 0
  const onDone = () => progress.show(`judged ${++done} of ${open}`, done === open)
  await interruptible(
    () => progress.note("stopping; what was answered is kept"),
    async (signal) => {
      try {
        refuseUnfinished(await askJudge(questions, { ...asking, signal, onDone }), questions.length, budget)
      } catch (error) {
        if (!signal.aborted) throw error
        throw new CommandFailed("stopped before all was judged; what was answered is kept: start again to go on", 3)
      } finally {
        tell(spent(records, budget))
      }
    },
  )
}
