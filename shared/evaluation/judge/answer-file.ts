// Files of a model's own answers: alpaca_eval's model_outputs.json (a list), the same objects as JSON Lines, what `yohaku generate` writes, or Arena-Hard's
// model_answer files; the last two name their prompts by id. And two of them joined by instruction.
import { UnusableJudgements } from "../evaluation-error.ts"
import { parsedLines } from "./json-list.ts"
import type { PairOfAnswers } from "./judge-question.ts"
import { nameOf, type Prompt, type PromptSet } from "./prompt-set.ts"

export interface Answer {
  readonly instruction: string
  readonly output: string
  /** The prompt's name, where the file says one. */
  readonly id?: string | undefined
  /** The prompt as the model was asked, where it is known. */
  readonly asked?: Prompt["asked"] | undefined
}

export interface AnswerFile {
  /** Whose answers they are (`generator`); undefined where the file does not say. */
  readonly model: string | undefined
  readonly answers: readonly Answer[]
  /** Further responses to the same prompts, which are not looked at. */
  readonly leftOut: number
}

export interface NamedPair extends PairOfAnswers, Pick<Answer, "id" | "asked"> {}

const SHAPE = '{"instruction", "output"} an answer, as a JSON list or as JSON Lines'
const MAX_ANSWERS = 1_000_000

const refuse = (message: string) => new UnusableJudgements(message)

type Row = Readonly<Record<string, unknown>>

/** Throws UnusableJudgements, whose message continues a sentence that begins with the file's name. */
export function readAnswerFile(bytes: Uint8Array, prompts?: PromptSet): AnswerFile {
  const rows = parsedLines(bytes, SHAPE)
  if (rows.length === 0) throw refuse(`holds no answers; give ${SHAPE}`)
  if (rows.length > MAX_ANSWERS) throw refuse(`holds ${rows.length} answers; at most ${MAX_ANSWERS} are read`)
  const read = rows.map((row, index) => answerOf((row ?? {}) as Row, index, prompts))
  const { generator, model, model_id: modelId } = (rows[0] ?? {}) as Row
  const name = [generator, model, modelId].find((each) => typeof each === "string")
  return {
    model: name as string | undefined,
    answers: read.map(({ leftOut: _, ...answer }) => answer),
    leftOut: read.reduce((sum, { leftOut }) => sum + leftOut, 0),
  }
}

function answerOf(row: Row, index: number, prompts: PromptSet | undefined): Answer & { readonly leftOut: number } {
  const { instruction, output } = row
  const id = nameOf(row)
  if (typeof instruction === "string" && typeof output === "string") return { instruction, output, id, leftOut: 0 }
  const said = id === undefined ? undefined : saidIn(row)
  if (id === undefined || said === undefined) {
    throw refuse(`answer ${index + 1} has no text "instruction" or no text "output"; give ${SHAPE}`)
  }
  const shown = JSON.stringify(id)
  if (prompts === undefined) {
    throw refuse(
      `answer ${index + 1} names its prompt by the id ${shown} alone; give the file of prompts with --prompts`,
    )
  }
  const prompt = prompts.get(id)
  if (prompt === undefined) throw refuse(`answer ${index + 1} is to the prompt ${shown}, which --prompts does not hold`)
  return { ...prompt, output: said.text, id, leftOut: said.leftOut }
}

/** The answer in a line of `yohaku generate`, of Arena-Hard v2.0 or of v0.1: of several the first. */
function saidIn({
  responses,
  messages,
  choices,
}: Row): { readonly text: string; readonly leftOut: number } | undefined {
  const several = Array.isArray(responses) ? responses : Array.isArray(choices) ? choices : undefined
  if (several !== undefined) {
    const [first] = several as readonly (Row | null)[]
    const turns = first?.turns
    const text = Array.isArray(turns) && turns.length === 1 ? (turns[0] as Row | null)?.content : first?.text
    return typeof text === "string" ? { text, leftOut: several.length - 1 } : undefined
  }
  if (!Array.isArray(messages)) return undefined
  const { role, content } = (messages.at(-1) ?? {}) as Row
  const text = typeof content === "string" ? content : (content as Row | null | undefined)?.answer
  return role === "assistant" && typeof text === "string" ? { text, leftOut: 0 } : undefined
}

/**
 * The pairs in the order of the baseline's file, which is the set's; an instruction that stands there twice takes the model's answers to it in their
 * order. Throws UnusableJudgements where an instruction has no answer, or an answer no instruction.
 */
export function joinedAnswers(
  baseline: Pick<AnswerFile, "answers">,
  outputs: Pick<AnswerFile, "answers">,
): NamedPair[] {
  const left = Map.groupBy(outputs.answers, ({ instruction }) => instruction)
  const shown = (instruction: string) => JSON.stringify(instruction.slice(0, 80))
  const pairs = baseline.answers.map(({ instruction, output, id, asked }) => {
    const answer = left.get(instruction)?.shift()
    if (answer === undefined) {
      throw refuse(
        `has no answer to ${shown(instruction)}, which the baseline answers; answer each of its instructions`,
      )
    }
    return { instruction, baseline: output, model: answer.output, id: id ?? answer.id, asked: answer.asked ?? asked }
  })
  const more = [...left.values()].flat()[0]
  if (more === undefined) return pairs
  throw refuse(
    `answers ${shown(more.instruction)}, which the baseline does not, or not as often; give answers to one set`,
  )
}
