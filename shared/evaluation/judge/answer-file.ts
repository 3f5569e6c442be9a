// Files of a model's own answers: alpaca_eval's model_outputs.json (a list), or the same objects as JSON Lines; and two of them joined by instruction.
import { findDuplicateKey } from "#shared/formats/json-object.ts"
import { UnusableJudgements } from "../evaluation-error.ts"
import type { PairOfAnswers } from "./judge-question.ts"

export interface AnswerFile {
  /** Whose answers they are (`generator`); undefined where the file does not say. */
  readonly model: string | undefined
  readonly answers: readonly { readonly instruction: string; readonly output: string }[]
}

const SHAPE = '{"instruction", "output"} an answer, as a JSON list or as JSON Lines'
const MAX_ANSWERS = 1_000_000

const refuse = (message: string) => new UnusableJudgements(message)

/** Throws UnusableJudgements, whose message continues a sentence that begins with the file's name. */
export function readAnswerFile(bytes: Uint8Array): AnswerFile {
  const rows = rowsOf(bytes)
  if (rows.length === 0) throw refuse(`holds no answers; give ${SHAPE}`)
  if (rows.length > MAX_ANSWERS) throw refuse(`holds ${rows.length} answers; at most ${MAX_ANSWERS} are read`)
  const answers = rows.map((row, index) => {
    const { instruction, output } = (row ?? {}) as { readonly instruction?: unknown; readonly output?: unknown }
    if (typeof instruction === "string" && typeof output === "string") return { instruction, output }
    throw refuse(`answer ${index + 1} has no text "instruction" or no text "output"; give ${SHAPE}`)
  })
  const { generator } = rows[0] as { readonly generator?: unknown }
  return { model: typeof generator === "string" ? generator : undefined, answers }
}

function rowsOf(bytes: Uint8Array): readonly unknown[] {
  let text: string
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes)
  } catch {
    throw refuse(`is no text in UTF-8; give ${SHAPE}`)
  }
  if (text.trimStart().startsWith("[")) return parsed(text, "it") as readonly unknown[]
  return text.split("\n").flatMap((line, index) => (line.trim() === "" ? [] : [parsed(line, `line ${index + 1}`)]))
}

function parsed(text: string, name: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw refuse(`cannot be read: ${name} is no JSON; give ${SHAPE}`)
  }
  const repeated = findDuplicateKey(text)
  if (repeated !== undefined) throw refuse(`holds "${repeated}" twice in one object; keep one`)
  return value
}

/**
 * The pairs in the order of the baseline's file, which is the set's; an instruction that stands there twice takes the model's answers to it in their
 * order. Throws UnusableJudgements where an instruction has no answer, or an answer no instruction.
 */
export function joinedAnswers(baseline: AnswerFile, outputs: AnswerFile): PairOfAnswers[] {
  const left = Map.groupBy(outputs.answers, ({ instruction }) => instruction)
  const shown = (instruction: string) => JSON.stringify(instruction.slice(0, 80))
  const pairs = baseline.answers.map(({ instruction, output }) => {
    const answer = left.get(instruction)?.shift()
    if (answer === undefined) {
      throw refuse(
        `has no answer to ${shown(instruction)}, which the baseline answers; answer each of its instructions`,
      )
    }
    return { instruction, baseline: output, model: answer.output }
  })
  const more = [...left.values()].flat()[0]
  if (more === undefined) return pairs
  throw refuse(
    `answers ${shown(more.instruction)}, which the baseline does not, or not as often; give answers to one set`,
  )
}
