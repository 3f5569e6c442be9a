// A response is one answer of the assistant: other turns inside it would be learnt as if the assistant had said them. The one rule for
// files and for the service.
import type { Text } from "./Comparison.ts"

/** Turns of a transcript as Anthropic HH writes them. */
const TURN = /\n\n(?:Human|Assistant):/

/** A prompt in plain text that ends where the assistant is to speak. */
const isTranscript = (prompt: Text): boolean => typeof prompt === "string" && /\n\nAssistant:\s*$/.test(prompt)

/** What the transcript of a conversation begins with. */
const OPENING = "\n\nHuman:"

const lastAsked = (prompt: Text): string =>
  (typeof prompt === "string" ? prompt : (prompt.findLast(({ role }) => role === "user")?.content ?? "")).trim()

/** Whether a response is the whole conversation once more. */
function isConversation(response: string, prompt: Text): boolean {
  if (!response.includes("\n\nAssistant:")) return false
  const asked = lastAsked(prompt)
  const repeats = asked !== "" && response.trimStart().startsWith(`Human: ${asked}`)
  return response.startsWith(OPENING) || repeats
}

/** What a response holds of others, with the mend, as the rest of a sentence about it; undefined where it holds nothing. */
export function otherTurn(response: Text, prompt: Text): string | undefined {
  const said = typeof response === "string" ? [response] : response.map(({ content }) => content)
  if (said.some((text) => isConversation(text, prompt)))
    return "is the whole conversation, its prompt once more; give the last answer alone"
  if (typeof response === "string") {
    if (!isTranscript(prompt) || !TURN.test(response)) return undefined
    return 'goes on with another turn ("\\n\\nHuman:") after the answer; end it before'
  }
  const other = response.find(({ role }) => role !== "assistant")
  if (other === undefined) return undefined
  return `holds a message of role ${JSON.stringify(other.role)} in the response; put all but the assistant's answer into the prompt`
}
