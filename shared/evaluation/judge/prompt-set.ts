// The prompts of a set by name, so that answers which say only whose answer they are can be shown to a judge beside their question: the JSON Lines that
// `yohaku generate` reads, or Arena-Hard's question.jsonl.
import { UnusableJudgements } from "../evaluation-error.ts"
import { parsedLines } from "./json-list.ts"

export interface Turn {
  readonly role: string
  readonly content: string
}

export interface Prompt {
  /** As a judge is shown it. */
  readonly instruction: string
  /** As the model was asked: a text as it stands, or turns for its chat template. */
  readonly asked: string | readonly Turn[]
}

/** By the prompt's name. */
export type PromptSet = ReadonlyMap<string, Prompt>

const SHAPE = '{"id", "prompt": text or messages} a line, or Arena-Hard\'s {"uid", "prompt"}'

const refuse = (message: string) => new UnusableJudgements(message)

/** Throws UnusableJudgements, whose message continues a sentence that begins with the file's name. */
export function readPromptSet(bytes: Uint8Array): PromptSet {
  const rows = parsedLines(bytes, SHAPE)
  if (rows.length === 0) throw refuse(`holds no prompts; give ${SHAPE}`)
  const prompts = new Map<string, Prompt>()
  rows.forEach((row, index) => {
    const name = nameOf(row)
    if (name === undefined) throw refuse(`prompt ${index + 1} has no "id"; give ${SHAPE}`)
    if (prompts.has(name)) throw refuse(`holds the id ${JSON.stringify(name)} twice; give each prompt its own`)
    const prompt = promptOf(row)
    if (prompt === undefined) throw refuse(`prompt ${index + 1} has no text and no messages to show; give ${SHAPE}`)
    prompts.set(name, prompt)
  })
  return prompts
}

type Row = Readonly<Record<string, unknown>>

/** What a row is called in the files that name things: ours, and Arena-Hard's two. */
export function nameOf(row: unknown): string | undefined {
  const { id, uid, question_id: questionId } = (row ?? {}) as Row
  const name = id ?? uid ?? questionId
  return (typeof name === "string" && name !== "") || Number.isSafeInteger(name) ? String(name) : undefined
}

function promptOf(row: unknown): Prompt | undefined {
  const { prompt, turns } = row as Row
  const given = prompt ?? (Array.isArray(turns) && turns.length === 1 ? (turns[0] as Row | null)?.content : undefined)
  if (typeof given === "string") return given === "" ? undefined : { instruction: given, asked: given }
  if (!Array.isArray(given) || given.length === 0) return undefined
  const asked: Turn[] = given.flatMap((message: unknown) => {
    const { role, content } = (message ?? {}) as Row
    return typeof role === "string" && typeof content === "string" ? { role, content } : []
  })
  if (asked.length < given.length) return undefined
  return { instruction: shownTurns(asked), asked }
}

/** Turns as a judge is shown them: one that a person or the model says, as it stands; several with who says them. */
export function shownTurns(turns: readonly { readonly role: string; readonly content: string }[]): string {
  const [first, ...others] = turns
  if (first !== undefined && others.length === 0 && first.role !== "system") return first.content
  return turns.map(({ role, content }) => `${role}: ${content}`).join("\n\n")
}
