// A conversation and two answers to it, each one message: LLaMA-Factory's sharegpt ranking ({conversations: [{from, value}…], chosen:
// {from, value}, rejected}, also system and tools beside), and axolotl's ({messages: [{role, content}…], chosen: {role, content}, …}).
import { answerTurn, readMessage, readMessages, readTools } from "./messages.ts"
import {
  type Fields,
  InvalidPreferenceRow,
  isRecord,
  type Message,
  readId,
  readTextOrNothing,
  type Shape,
} from "./record.ts"

const CONVERSATIONS = ["prompt", "conversations", "conversation", "messages"]

export const conversationPairs: Shape = {
  name: "sharegpt pairs",
  recognises: ({ chosen, rejected, prompt }) =>
    [chosen, rejected].some((answer) => isRecord(answer) || (isBareAnswer(answer) && !Array.isArray(prompt))),
  reads: { "": ["id", "system", "tools", "chosen", "rejected", ...CONVERSATIONS] },
  read: (fields) => {
    const prompt = withSystem(systemTurn(fields), conversationOf(fields))
    if (prompt.length === 0) throw new InvalidPreferenceRow("conversations", "is empty; give at least one message")
    const [chosen, rejected] = [answerOf(fields, "chosen"), answerOf(fields, "rejected")]
    return { pairs: [{ id: readId(fields, "id"), prompt, chosen, rejected, tools: readTools(fields.tools, "tools") }] }
  },
}

/** A list that begins with an answer has its prompt elsewhere. */
function isBareAnswer(value: unknown): boolean {
  const [first] = Array.isArray(value) ? value : []
  return isRecord(first) && first.from === "gpt"
}

function conversationOf(fields: Fields): readonly Message[] {
  const given = CONVERSATIONS.flatMap((name) => {
    const value = fields[name]
    if (value === undefined || value === null) return []
    return [{ name, messages: typeof value === "string" ? asked(value) : readMessages(value, name) }]
  })
  const [first, ...others] = given
  if (first === undefined)
    throw new InvalidPreferenceRow("conversations", "is missing; give the messages before the answers")
  return others.length === 0 ? first.messages : wholeConversation(given)
}

const asked = (content: string): readonly Message[] => [{ role: "user", content }]

interface Given {
  readonly name: string
  readonly messages: readonly Message[]
}

/** The one that holds all that the others say: its first or its last turn, or itself, perhaps with an answer after it. */
function wholeConversation(given: readonly Given[]): readonly Message[] {
  const prompts = given.map(({ name, messages }) => {
    return { name, messages: messages.at(-1)?.role === "assistant" ? messages.slice(0, -1) : messages }
  })
  const whole = prompts.toSorted((a, b) => b.messages.length - a.messages.length)[0]!
  const other = prompts.find(({ messages }) => !isSaidBy(whole.messages, messages))
  if (other === undefined) return whole.messages
  throw new InvalidPreferenceRow(
    other.name,
    `says what ${whole.name} does not, and both could be the prompt; keep the one that holds all of it`,
  )
}

function isSaidBy(whole: readonly Message[], messages: readonly Message[]): boolean {
  const [turn, ...others] = messages
  if (turn === undefined || JSON.stringify(messages) === JSON.stringify(whole)) return true
  const turns = [whole.find(({ role }) => role === "user"), whole.at(-1)]
  const said = turn.content.trim()
  const isTurn = said === "" || turns.some((one) => one?.role === turn.role && one.content.trim() === said)
  return others.length === 0 && isTurn
}

function answerOf(fields: Fields, name: string): readonly Message[] {
  const value = fields[name]
  if (value === undefined) throw new InvalidPreferenceRow(name, "is missing; give both responses")
  if (typeof value === "string") return answerTurn(value)
  return Array.isArray(value) ? readMessages(value, name) : [readMessage(value, name)]
}

/** A system text beside the conversation is its first message. */
export function systemTurn(fields: Fields): readonly Message[] {
  const content = readTextOrNothing(fields, "system")
  return content === undefined ? [] : [{ role: "system", content }]
}

function withSystem(system: readonly Message[], messages: readonly Message[]): readonly Message[] {
  const [turn] = system
  const [first] = messages
  if (turn === undefined || first?.role !== "system") return [...system, ...messages]
  if (first.content.trim() === turn.content.trim()) return messages
  throw new InvalidPreferenceRow(
    "system",
    "stands beside a conversation that begins with another system text; keep one",
  )
}
