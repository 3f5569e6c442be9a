// Where a model keeps its chat templates: four places, in the order in which transformers gives them precedence.
import { InvalidTokenizer } from "./invalid-tokenizer.ts"
import { parseObject, refusePointer } from "./tokenizer-files.ts"

export interface ChatTemplateFiles {
  /** tokenizer_config.json, parsed */
  readonly tokenizerConfig: Readonly<Record<string, unknown>>
  /** text of chat_template.jinja */
  readonly chatTemplate?: string | undefined
  /** text of chat_template.json: {"chat_template": …} */
  readonly chatTemplateJson?: string | undefined
  /** texts of additional_chat_templates/<name>.jinja, by name */
  readonly additionalChatTemplates?: Readonly<Record<string, string>> | undefined
}

export interface ChatTemplates {
  /** for conversations; undefined where the model has none */
  readonly main: string | undefined
  /** for conversations with tools, where the model keeps a template of its own for them */
  readonly toolUse: string | undefined
}

/**
 * The templates of a model. A file of its own (chat_template.jinja, with additional_chat_templates/) comes before
 * tokenizer_config.json, which comes before chat_template.json. Of several, "default" is the main one; where there is only one, it
 * is. Throws InvalidTokenizer where there are several and none is "default", and for a Git LFS pointer.
 */
export function findChatTemplates(files: ChatTemplateFiles): ChatTemplates {
  const byName = new Map<string, string>()
  const offer = (templates: ReadonlyMap<string, string>) => {
    for (const [name, text] of templates) if (!byName.has(name)) byName.set(name, text)
  }
  const additional = Object.entries(files.additionalChatTemplates ?? {})
  for (const [name, text] of additional) refusePointer(text, `additional_chat_templates/${name}.jinja`)
  if (files.chatTemplate !== undefined) {
    refusePointer(files.chatTemplate, "chat_template.jinja")
    byName.set("default", files.chatTemplate)
  }
  offer(new Map(additional))
  if (byName.size === 0) offer(named(files.tokenizerConfig.chat_template, "tokenizer_config.json"))
  if (byName.size === 0 && files.chatTemplateJson !== undefined) {
    const source = "chat_template.json"
    offer(named(parseObject(files.chatTemplateJson, source).chat_template, source))
  }
  const main = byName.get("default") ?? (byName.size === 1 ? [...byName.values()][0] : undefined)
  if (main === undefined && byName.size > 0) {
    throw new InvalidTokenizer(
      `the model has the chat templates ${[...byName.keys()].join(", ")}, and none is named default; rename the one to use`,
    )
  }
  return { main, toolUse: byName.get("tool_use") }
}

/** A template as text, or a list of {name, template}. */
function named(found: unknown, file: string): ReadonlyMap<string, string> {
  if (found === undefined || found === null) return new Map()
  if (typeof found === "string") return new Map([["default", found]])
  if (Array.isArray(found) && found.every(isNamed)) return new Map(found.map(({ name, template }) => [name, template]))
  throw new InvalidTokenizer(`chat_template of ${file} must be text, or a list of name and template; correct it`)
}

function isNamed(value: unknown): value is { readonly name: string; readonly template: string } {
  const { name, template } = (value ?? {}) as { readonly name?: unknown; readonly template?: unknown }
  return typeof name === "string" && typeof template === "string"
}
