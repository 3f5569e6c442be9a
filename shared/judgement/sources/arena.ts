// Chatbot Arena's battles: the 55k table (columns of JSON lists of turns, three winner columns), and the 33k, 100k and 140k sets
// (two conversations and one winner). Two models' conversations are one pair where they differ in the last answer only; from the
// second turn on each model has its own history, so such battles are dropped as `several-turns`.
import type { Judgement } from "../Comparison.ts"
import { readMessages, splitCommonPrefix } from "./messages.ts"
import { statedPairs } from "./ranked-pairs.ts"
import {
  asWord,
  dropped,
  type Fields,
  InvalidPreferenceRow,
  type Message,
  nameIn,
  readId,
  readScore,
  readString,
  readTextOrNothing,
  type Shape,
  type Statement,
} from "./record.ts"
import { namesOf } from "./retraction.ts"
import { parsedCell } from "./structured-text.ts"
import { refuseBrokenText } from "./well-formed.ts"

const WINNERS = ["winner_model_a", "winner_model_b", "winner_tie"]

export const arenaTable: Shape = {
  name: "Arena 55k",
  recognises: (fields) => "response_a" in fields && "winner_model_a" in fields,
  reads: { "": ["id", "model_a", "model_b", "prompt", "response_a", "response_b", ...WINNERS] },
  read: (fields) => {
    const [first, second, tie] = WINNERS.map((field) => readMark(fields, field))
    if (first === undefined && second === undefined && tie === undefined) {
      return dropped("unlabelled", "no winner column holds a number")
    }
    if (
      (first ?? 0) + (second ?? 0) + (tie ?? 0) !== 1 ||
      [first, second, tie].some((value) => value !== 0 && value !== 1)
    ) {
      throw new InvalidPreferenceRow("winner_model_a", "and the other winner columns must hold one 1 and two 0")
    }
    const prompts = readTurns(fields, "prompt")
    const conversationOf = (field: string) => conversation(prompts, readTurns(fields, field), field)
    const winner = tie === 1 ? "tie" : first === 1 ? "model_a" : "model_b"
    return battle(readId(fields, "id"), winner, conversationOf("response_a"), conversationOf("response_b"))
  },
}

/** 1 or 0; tables of truth values write true and false. */
function readMark(fields: Fields, field: string): number | undefined {
  const word = asWord(fields[field]).trim().toLowerCase()
  return word === "true" ? 1 : word === "false" ? 0 : readScore(fields, field)
}

const LABEL_FIELDS = ["id", "question_id", "winner", "model_a", "model_b", "judge", "conversation_a", "conversation_b"]
const FACT_FIELDS = [
  "turn",
  "anony",
  "language",
  "tstamp",
  "timestamp",
  "openai_moderation",
  "toxic_chat_tag",
  "is_code",
]
const MORE_FIELDS = ["is_refusal", "dedup_tag", "metadata_a", "metadata_b", "conv_metadata", "category_tag"]
const SESSION_FIELDS = ["evaluation_session_id", "evaluation_order", "full_conversation", "occupational_tags"]

export const arenaConversations: Shape = {
  name: "Arena 33k, 100k, 140k",
  recognises: (fields) => "conversation_a" in fields && "winner" in fields,
  names: (fields) => namesOf(nameIn(fields, "id", "question_id")),
  reads: { "": LABEL_FIELDS },
  leaves: [...FACT_FIELDS, ...MORE_FIELDS, ...SESSION_FIELDS, "num_tokens"],
  read: (fields) => {
    const read = (field: string) => readMessages(parsedList(fields[field], field), field)
    const [a, b] = [read("conversation_a"), read("conversation_b")]
    if (readTextOrNothing(fields, "winner") === undefined) return dropped("unlabelled", "the battle has no winner")
    return battle(readId(fields, "id", "question_id"), readString(fields, "winner"), a, b)
  },
}

const JUDGEMENTS: Readonly<Record<string, Judgement>> = {
  model_a: { kind: "choice", winner: "model_a" },
  model_b: { kind: "choice", winner: "model_b" },
  tie: { kind: "tie" },
  "tie (bothbad)": { kind: "tie", quality: "bad" },
  both_bad: { kind: "tie", quality: "bad" },
}

function battle(id: string | undefined, winner: string, a: readonly Message[], b: readonly Message[]): Statement {
  const judgement = Object.hasOwn(JUDGEMENTS, winner) ? JUDGEMENTS[winner] : undefined
  if (judgement === undefined) {
    throw new InvalidPreferenceRow("winner", "must be model_a, model_b, tie, tie (bothbad) or both_bad")
  }
  const { prompt, chosen, rejected } = splitCommonPrefix(a, b)
  const candidates = [
    { id: "model_a", response: chosen },
    { id: "model_b", response: rejected },
  ]
  return statedPairs(id, { prompt, candidates, judgement })
}

/** A cell's JSON list of texts; a turn that was never answered is null there. */
function readTurns(fields: Fields, field: string): readonly string[] {
  const turns = parsedList(fields[field], field)
  if (!Array.isArray(turns)) throw new InvalidPreferenceRow(field, "must be a JSON list of turns")
  return turns.map((turn, index) => {
    if (turn === null) return ""
    if (typeof turn !== "string") throw new InvalidPreferenceRow(`${field}.${index}`, "must be text")
    refuseBrokenText(turn, `${field}.${index}`)
    return turn
  })
}

function parsedList(value: unknown, field: string): unknown {
  if (typeof value !== "string") return value
  try {
    return parsedCell(value)
  } catch (error) {
    if (error instanceof InvalidPreferenceRow) throw error
    throw new InvalidPreferenceRow(field, "is no JSON; it must be a JSON list of turns")
  }
}

function conversation(prompts: readonly string[], answers: readonly string[], field: string): Message[] {
  if (prompts.length === 0 || prompts.length !== answers.length) {
    throw new InvalidPreferenceRow(field, "must hold one answer for each prompt")
  }
  return prompts.flatMap((content, turn) => [
    { role: "user", content },
    { role: "assistant", content: answers[turn]! },
  ])
}
