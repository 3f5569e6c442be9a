// A model's chat template (Jinja, rendered as jinja2 does or refused), and the special tokens that templates name.
import { Template, UnsupportedConstruct } from "./jinja/template.ts"

/** A chat message. Tool use: an assistant's `tool_calls`, and the tool's answer with `tool_call_id` and `name`. */
export interface Message {
  readonly role: string
  readonly content: string
  readonly tool_calls?: readonly unknown[]
  /** Thoughts before the answer, where the template knows them. */
  readonly reasoning_content?: string
  readonly tool_call_id?: string
  readonly name?: string
}

/** The template refused the conversation (for example: roles must alternate), or cannot be parsed. */
export class ChatTemplateRefused extends Error {
  readonly _tag = "ChatTemplateRefused"
}

/** Special tokens by the names that templates use: bos_token, eos_token, … */
export type SpecialTokens = Readonly<Record<string, string>>

/** Variables of a template's own, such as `enable_thinking` of Qwen3. */
export type ChatTemplateOptions = Readonly<Record<string, string | number | boolean>>

export interface RenderOptions {
  /** Ends the text where the next answer begins. */
  readonly addGenerationHeader: boolean
  readonly tools?: readonly unknown[] | undefined
  readonly options?: ChatTemplateOptions | undefined
}

/** A parsed template, ready to render. */
export class ChatTemplate {
  private readonly template: Template
  private readonly specialTokens: SpecialTokens

  /** Throws ChatTemplateRefused when the text is no Jinja, or holds what cannot be rendered exactly as jinja2 does. */
  constructor(text: string, specialTokens: SpecialTokens) {
    this.specialTokens = specialTokens
    try {
      this.template = new Template(text)
    } catch (error) {
      if (error instanceof UnsupportedConstruct) {
        throw new ChatTemplateRefused(
          `the chat template cannot be used: ${error.message}; write it otherwise in chat_template`,
        )
      }
      throw new ChatTemplateRefused(`the chat template cannot be parsed: ${messageOf(error)}; correct chat_template`)
    }
  }

  /** Text of a conversation. Throws ChatTemplateRefused. */
  render(messages: readonly Message[], { addGenerationHeader, tools, options }: RenderOptions): string {
    try {
      return this.template.render({
        ...this.specialTokens,
        ...options,
        messages,
        add_generation_prompt: addGenerationHeader,
        tools: tools ?? null,
        documents: null,
      })
    } catch (error) {
      const roles = messages.map((message) => message.role)
      throw new ChatTemplateRefused(
        `the chat template refuses a conversation of roles [${roles.join(", ")}]: ${messageOf(error)}; ${mendOf(error, roles)}`,
      )
    }
  }
}

function mendOf(error: unknown, roles: readonly string[]): string {
  const words = messageOf(error).toLowerCase()
  if (words.includes("system") && roles.includes("system")) {
    return "this model takes no system message: put its text at the start of the first user message, or drop the row"
  }
  if (words.includes("alternate")) return "merge neighbouring messages of one role, or drop the row"
  if (words.includes("strftime_now") || words.includes("is undefined")) {
    return "set what the template asks for in chatTemplateOptions; it may not ask for today's date, since tokens must not depend on the day"
  }
  return "change the row or the template"
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
