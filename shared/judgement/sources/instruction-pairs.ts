// An instruction and two answers as text that are meant for the chat template: LLaMA-Factory's alpaca ranking ({instruction, input,
// chosen, rejected}, also system and history beside), and axolotl's Orca and Argilla pairs ({system, question, …}, {system, input, …}).
import { systemTurn } from "./conversation-pairs.ts"
import {
  type Fields,
  InvalidPreferenceRow,
  type Message,
  readId,
  readString,
  readTextOrNothing,
  type Shape,
} from "./record.ts"

const QUESTIONS = ["instruction", "question", "input"]
const CHOSEN = ["chosen", "chosen_response"]
const REJECTED = ["rejected", "rejected_response"]

const nameOf = (fields: Fields, names: readonly string[]): string => names.find((name) => name in fields) ?? names[0]!

export const instructionPairs: Shape = {
  name: "alpaca pairs",
  recognises: (fields) => {
    const answers = [...CHOSEN, ...REJECTED].flatMap((name) => (name in fields ? [fields[name]] : []))
    const isAnswered = answers.length > 0 && answers.every((answer) => !Array.isArray(answer) && !isTranscript(answer))
    return isAnswered && !("prompt" in fields) && QUESTIONS.some((name) => typeof fields[name] === "string")
  },
  reads: { "": ["id", "system", "history", ...QUESTIONS, ...CHOSEN, ...REJECTED] },
  read: (fields) => {
    const prompt = [...systemTurn(fields), ...historyOf(fields), { role: "user", content: questionOf(fields) }]
    const answer = (names: readonly string[]) => [
      { role: "assistant", content: readString(fields, nameOf(fields, names)) },
    ]
    return { pairs: [{ id: readId(fields, "id"), prompt, chosen: answer(CHOSEN), rejected: answer(REJECTED) }] }
  },
}

const isTranscript = (value: unknown): boolean => typeof value === "string" && value.startsWith("\n\nHuman:")

/** An instruction goes on with its input on the next line, as LLaMA-Factory joins them. Others would be two prompts. */
function questionOf(fields: Fields): string {
  const given = QUESTIONS.filter((field) => readTextOrNothing(fields, field) !== undefined)
  const texts = new Set(given.map((name) => readString(fields, name)))
  const [text] = texts
  if (text === undefined)
    throw new InvalidPreferenceRow(nameOf(fields, QUESTIONS), "is empty; give what the responses answer")
  if (texts.size === 1) return text
  const [first, second, ...others] = given
  if (first === "instruction" && second === "input" && others.length === 0) return [...texts].join("\n")
  throw new InvalidPreferenceRow(
    second!,
    `stands beside ${first}, and both could be the prompt; call the field that holds all of it prompt, or its two halves instruction and input`,
  )
}

/** Earlier turns, as [question, answer] each. */
function historyOf({ history }: Fields): readonly Message[] {
  if (history === undefined || history === null || history === "") return []
  const fault = new InvalidPreferenceRow("history", "must be a list of [question, answer]")
  if (!Array.isArray(history)) throw fault
  return history.flatMap((turn: unknown) => {
    if (!Array.isArray(turn) || turn.length !== 2 || !turn.every((text) => typeof text === "string")) throw fault
    return [
      { role: "user", content: turn[0] as string },
      { role: "assistant", content: turn[1] as string },
    ]
  })
}
