// Rows of supervised fine-tuning: {"id", "prompt", "response"}, both text or both lists of chat messages.
import type { Message, Tokenisation, TokenisationPolicy, TokenisedPair } from "#shared/tokenisation/tokenisation.ts"

export type SupervisedText =
  | { readonly prompt: string; readonly response: string }
  | { readonly prompt: readonly Message[]; readonly response: readonly Message[] }

export interface SupervisedRow {
  readonly id: string | undefined
  readonly text: SupervisedText
}

/** The row, or the fault as a sentence for the user. */
export function parseSupervisedRow(
  fields: Readonly<Record<string, unknown>>,
): SupervisedRow | { readonly fault: string } {
  const unknown = Object.keys(fields).find((field) => !["id", "prompt", "response"].includes(field))
  if (unknown !== undefined)
    return { fault: `${unknown} is an unknown field; remove it (known here: id, prompt, response)` }
  const { id, prompt, response } = fields
  if (id !== undefined && typeof id !== "string" && !Number.isSafeInteger(id)) {
    return { fault: "id must be text or an integer; correct it or leave it out" }
  }
  const name = id === undefined ? undefined : String(id)
  if (typeof prompt === "string" && typeof response === "string") {
    if (!prompt.isWellFormed() || !response.isWellFormed()) {
      return { fault: "prompt or response holds half of a surrogate pair, which is no text; repair it" }
    }
    return { id: name, text: { prompt, response } }
  }
  if (isConversation(prompt) && isConversation(response)) return { id: name, text: { prompt, response } }
  return { fault: "prompt and response must both be text, or both lists of messages with role and content" }
}

function isConversation(value: unknown): value is readonly Message[] {
  return (
    Array.isArray(value) &&
    value.every(
      (message) =>
        typeof message?.role === "string" && typeof message?.content === "string" && message.content.isWellFormed(),
    )
  )
}

/**
 * Token ids of a supervised row. Tokenisation knows pairs only, so the row is tokenised as a pair whose rejected response is a
 * single letter: shorter than any budget decides on, and never equal to the response.
 */
export function tokeniseSupervised(
  tokenisation: Tokenisation,
  { prompt, response }: SupervisedText,
  policy: TokenisationPolicy,
): TokenisedPair {
  if (typeof prompt === "string") {
    const text = response as string
    return tokenisation.tokenisePair({ prompt, chosen: text, rejected: standIn(text) }, policy)
  }
  const messages = response as readonly Message[]
  const other = standIn(messages.map(({ content }) => content).join(""))
  const rejected = [{ role: "assistant", content: other }]
  return tokenisation.tokenisePair({ prompt, chosen: messages, rejected }, policy)
}

function standIn(text: string): string {
  return text.trim() === "a" ? "b" : "a"
}
