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
    const prompt = [...systemTurn(fields), ...conversationOf(fields)]
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
  const name = CONVERSATIONS.find((field) => fields[field] !== undefined && fields[field] !== null)
  if (name === undefined)
    throw new InvalidPreferenceRow("conversations", "is missing; give the messages before the answers")
  const value = fields[name]
  return typeof value === "string" ? [{ role: "user", content: value }] : readMessages(value, name)
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
