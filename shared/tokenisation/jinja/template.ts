// Jinja as transformers renders chat templates: jinja2's immutable sandbox with trim_blocks, lstrip_blocks, loop controls and
// generation blocks, without the clock. The same text to the byte, or a refusal; no eval.
import { GLOBALS } from "./environment.ts"
import { fromJson } from "./json-input.ts"
import { compileTemplate } from "./template-compiler.ts"
import { parseTemplate } from "./template-parser.ts"
import type { Value } from "./values.ts"

export { TemplateError, UnsupportedConstruct } from "./values.ts"

export class Template {
  private readonly run: (context: ReadonlyMap<string, Value>) => string

  /** Throws TemplateError where the text is no template, and UnsupportedConstruct for what cannot be rendered exactly. */
  constructor(text: string) {
    this.run = compileTemplate(parseTemplate(text))
  }

  /** The text with these variables, which are JSON's values. Throws TemplateError where jinja2 raises. */
  render(variables: Readonly<Record<string, unknown>>): string {
    const context = new Map(GLOBALS)
    for (const [name, value] of Object.entries(variables)) if (value !== undefined) context.set(name, fromJson(value))
    return this.run(context)
  }
}
