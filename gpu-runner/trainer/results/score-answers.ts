// The trainer's entrance for judge jobs: log-probs of answers under a judge, and under its base, by the code of `yohaku score`. An answer that
// several gave to one prompt is scored once.
import type { ModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import { answerTurn } from "#shared/judgement/sources/messages.ts"
import type { SuitePrompt } from "#shared/judgement/sources/prompt-suite.ts"
import type { Text } from "#shared/judgement/sources/record.ts"
import { ChatTemplateRefused, type ResponseText, type TokenisationPolicy } from "#shared/tokenisation/tokenisation.ts"
import type { AnswerScore, PromptScores } from "#shared/wire/answer-scores.ts"
import type { Answers } from "#shared/wire/responses.ts"
import { type ScoringModel, scoreGroups } from "./scorer.ts"

export interface AnswersScoring {
  readonly gpu: GpuDevice
  readonly judge: ScoringModel
  /** What the judge was trained from; undefined where the reward does not read it. */
  readonly reference: ScoringModel | undefined
  readonly prompts: readonly SuitePrompt[]
  /** By whose they are, in the prompts' order. */
  readonly responses: ReadonlyMap<string, readonly Answers[]>
  readonly signal?: AbortSignal | undefined
  /** Rows that were scored, of all. */
  readonly onScored?: ((done: number, total: number) => void) | undefined
}

/** The answers to be scored, each once: its row, or why there is none. */
class AnswerRows {
  readonly rows: TokenRow[] = []
  readonly #byText = new Map<string, number | string>()
  readonly #model: ModelFolder
  readonly #policy: TokenisationPolicy

  constructor(model: ModelFolder) {
    this.#model = model
    this.#policy = { maxLength: model.config.maxPositions, overflow: "drop" }
  }

  add(prompt: SuitePrompt, answer: Text): void {
    const key = keyOf(prompt, answer)
    if (this.#byText.has(key)) return
    const tokenised = this.#tokenised(prompt, answer)
    if (typeof tokenised !== "string") this.rows.push({ id: key, ...tokenised, weight: 1 })
    this.#byText.set(key, typeof tokenised === "string" ? tokenised : this.rows.length - 1)
  }

  #tokenised({ prompt }: SuitePrompt, answer: Text) {
    try {
      const result = this.#model.tokenisation.tokeniseResponse(responseOf(prompt, answer), this.#policy)
      if (result._tag === "Dropped") return result.reason
      return { promptIds: result.promptIds, chosenIds: result.responseIds, rejectedIds: new Uint32Array() }
    } catch (error) {
      if (error instanceof ChatTemplateRefused) return "template-refused"
      throw error
    }
  }

  /** Its place among the rows, or why it has none. */
  find(prompt: SuitePrompt, answer: Text): number | string {
    return this.#byText.get(keyOf(prompt, answer))!
  }
}

const keyOf = ({ line }: SuitePrompt, answer: Text): string => `${line}\n${JSON.stringify(answer)}`

/** An answer in the form of its prompt. */
const responseOf = (prompt: Text, answer: Text): ResponseText =>
  typeof prompt === "string"
    ? { prompt, response: typeof answer === "string" ? answer : answer.map(({ content }) => content).join("") }
    : { prompt, response: typeof answer === "string" ? answerTurn(answer) : answer }

/** Σ log-prob of each row's response, nats. Errors: those of scoreGroups. */
async function sumsOf(
  { gpu, signal }: AnswersScoring,
  model: ScoringModel,
  rows: readonly TokenRow[],
  onScored: (rows: number) => void,
): Promise<number[]> {
  const sums: number[] = []
  for await (const { scores } of scoreGroups(gpu, model, rows, signal)) {
    sums.push(...scores.map(({ chosen }) => chosen.reduce((sum, logProb) => sum + logProb, 0)))
    onScored(sums.length)
  }
  return sums
}

/** Errors: InvalidTokenizer, and those of scoreGroups. */
export async function scoreAnswers(scoring: AnswersScoring): Promise<PromptScores[]> {
  const { judge, reference, prompts, responses, onScored } = scoring
  const answers = new AnswerRows(judge.model)
  prompts.forEach((prompt, index) => {
    for (const all of responses.values()) for (const { text } of all[index]!.responses) answers.add(prompt, text)
    if (prompt.stated !== undefined) for (const text of Object.values(prompt.stated)) answers.add(prompt, text)
  })
  const { rows } = answers
  const total = (reference === undefined ? 1 : 2) * rows.length
  const judged = await sumsOf(scoring, judge, rows, (done) => onScored?.(done, total))
  const referred =
    reference === undefined
      ? undefined
      : await sumsOf(scoring, reference, rows, (done) => onScored?.(rows.length + done, total))
  const scoreOf = (prompt: SuitePrompt, text: Text): AnswerScore => {
    const row = answers.find(prompt, text)
    if (typeof row === "string") return { unscored: row }
    const [judge, reference] = [judged[row]!, referred?.[row]]
    if (!Number.isFinite(judge) || (reference !== undefined && !Number.isFinite(reference)))
      return { unscored: "not-finite" }
    return { judge, ...(reference === undefined ? {} : { reference }), tokens: rows[row]!.chosenIds.length }
  }
  return prompts.map((prompt, index) => {
    const { id, stated } = prompt
    const scoresOf = (all: readonly Answers[]) => all[index]!.responses.map(({ text }) => scoreOf(prompt, text))
    return {
      id,
      answers: Object.fromEntries([...responses].map(([name, all]) => [name, scoresOf(all)])),
      ...(stated === undefined
        ? {}
        : { stated: { chosen: scoreOf(prompt, stated.chosen), rejected: scoreOf(prompt, stated.rejected) } }),
    }
  })
}
