// Text or conversation is the dataset's, not the delivery's: whatever form a judgement came in, its pairs take the dataset's.
import type { PromptForm } from "#shared/domain/Dataset.ts"
import type { Message, PairText } from "#shared/tokenisation/tokenisation.ts"
import type { Text } from "./Comparison.ts"

export interface DatasetForm {
  readonly promptForm: PromptForm
  /** Before every conversation that has no system text of its own. */
  readonly systemText?: string | undefined
}

interface Texts {
  readonly prompt: Text
  readonly chosen: Text
  readonly rejected: Text
}

/** A text that is none where plain text is asked for. */
export class NoPlainText extends Error {
  constructor(what: string, role: string, messages: readonly Message[]) {
    const roles = messages.map((message) => message.role).join(", ")
    super(
      `invalid text: the dataset takes plain text, and the ${what} is a conversation (${roles}), not one message of the ${role}; ` +
        'make a dataset with promptForm "chat"',
    )
  }
}

const asMessages = (text: Text, role: "user" | "assistant"): readonly Message[] =>
  typeof text === "string" ? [{ role, content: text }] : text

const asText = (text: Text, role: "user" | "assistant", what: string): string => {
  if (typeof text === "string") return text
  const [only, ...others] = text
  if (only?.role === role && others.length === 0) return only.content
  throw new NoPlainText(what, role, text)
}

const withSystem = (prompt: readonly Message[], systemText: string | undefined): readonly Message[] =>
  systemText === undefined || prompt[0]?.role === "system"
    ? prompt
    : [{ role: "system", content: systemText }, ...prompt]

/** The pair's texts in the dataset's form. Throws NoPlainText where a conversation has none as plain text. */
export const inForm = ({ prompt, chosen, rejected }: Texts, { promptForm, systemText }: DatasetForm): PairText =>
  promptForm === "chat"
    ? {
        prompt: withSystem(asMessages(prompt, "user"), systemText),
        chosen: asMessages(chosen, "assistant"),
        rejected: asMessages(rejected, "assistant"),
      }
    : {
        prompt: asText(prompt, "user", "prompt"),
        chosen: asText(chosen, "assistant", "chosen response"),
        rejected: asText(rejected, "assistant", "rejected response"),
      }
