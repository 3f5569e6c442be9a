// A model's chat template (Jinja, interpreted without eval) and where to find it in tokenizer_config.json.
import { Template } from "@huggingface/jinja"

/** A chat message. */
export interface Message {
  readonly role: string
  readonly content: string
}

/** The template refused the conversation (for example: roles must alternate), or cannot be parsed. */
export class ChatTemplateRefused extends Error {
  readonly _tag = "ChatTemplateRefused"
}

/** Special tokens by the names that templates use: bos_token, eos_token, … */
export type SpecialTokens = Readonly<Record<string, string>>

/** A parsed template, ready to render. */
export class ChatTemplate {
  private readonly template: Template
  private readonly specialTokens: SpecialTokens

  /** Throws ChatTemplateRefused when the text is no Jinja that the interpreter knows. */
  constructor(text: string, specialTokens: SpecialTokens) {
    this.specialTokens = specialTokens
    try {
      this.template = new Template(text)
    } catch (error) {
      throw new ChatTemplateRefused(`the chat template cannot be parsed: ${messageOf(error)}; correct chat_template`)
    }
  }

  /** Text of a conversation; with `addGenerationHeader` it ends where the next answer begins. Throws ChatTemplateRefused. */
  render(messages: readonly Message[], addGenerationHeader: boolean): string {
    try {
      return this.template.render({
        ...this.specialTokens,
        messages: messages.map((message) => ({ ...message })),
        add_generation_prompt: addGenerationHeader,
        tools: null,
        documents: null,
      })
    } catch (error) {
      const roles = messages.map((message) => message.role).join(", ")
      throw new ChatTemplateRefused(
        `the chat template refuses a conversation of roles [${roles}]: ${messageOf(error)}; change the row or the template`,
      )
    }
  }
}

/** The template of tokenizer_config.json: `chat_template` as text, or the entry named "default" of a list. */
export function findChatTemplate(tokenizerConfig: Readonly<Record<string, unknown>>): string | undefined {
  const found = tokenizerConfig.chat_template
  if (typeof found === "string") return found
  if (!Array.isArray(found)) return undefined
  const entry = found.find((candidate) => candidate?.name === "default")
  return typeof entry?.template === "string" ? entry.template : undefined
}

/** Every `*_token` of tokenizer_config.json that is text, or an object that holds its text in `content`. */
export function findSpecialTokens(tokenizerConfig: Readonly<Record<string, unknown>>): SpecialTokens {
  const tokens: Record<string, string> = {}
  for (const [name, value] of Object.entries(tokenizerConfig)) {
    if (!name.endsWith("_token")) continue
    const text = typeof value === "object" && value !== null ? (value as { content?: unknown }).content : value
    if (typeof text === "string") tokens[name] = text
  }
  return tokens
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
