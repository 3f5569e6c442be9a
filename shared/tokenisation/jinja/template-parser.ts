// Statements, by the grammar of jinja2's parser with loop controls and transformers' generation blocks. Other tags are
// refused by their name.
import { ExpressionParser } from "./expression-parser.ts"
import type { Branch, Expression, Macro, Statement, Target } from "./nodes.ts"
import { UnsupportedConstruct } from "./values.ts"

/** The statements of a template. Throws TemplateError where it is no template, and UnsupportedConstruct for other tags. */
export function parseTemplate(text: string): readonly Statement[] {
  return new TemplateParser(text).parse()
}

class TemplateParser extends ExpressionParser {
  parse(): readonly Statement[] {
    return this.parseUntil([])
  }

  /** Statements up to a tag of one of these names, which is the current token then; up to the end where there are none. */
  private parseUntil(ends: readonly string[]): Statement[] {
    const body: Statement[] = []
    let parts: (string | Expression)[] = []
    const flush = () => {
      if (parts.length > 0) body.push({ kind: "output", parts })
      parts = []
    }
    for (;;) {
      const { kind, text } = this.advance()
      if (kind === "data") parts.push(text)
      else if (kind === "{{") {
        parts.push(this.parseTuple())
        this.expect("}}")
      } else if (kind === "{%") {
        flush()
        if (this.current.kind === "name" && ends.includes(this.current.text)) return body
        body.push(this.parseStatement())
        this.expect("%}")
      } else if (ends.length > 0) this.fail(`the template ends where ${ends.join(" or ")} should stand`)
      else {
        flush()
        return body
      }
    }
  }

  /** The body after a tag. Its end is the current token, or taken where there is one only. */
  private parseBody(...ends: readonly string[]): Statement[] {
    this.skipOperator(":")
    this.expect("%}")
    const body = this.parseUntil(ends)
    if (ends.length === 1) this.advance()
    return body
  }

  private parseStatement(): Statement {
    const tag = this.current
    if (tag.kind !== "name") this.fail("a tag's name should stand here")
    this.advance()
    switch (tag.text) {
      case "for":
        return this.parseFor()
      case "if":
        return this.parseIf()
      case "set":
        return this.parseSet()
      case "with":
        return this.parseWith()
      case "macro":
        return this.parseMacro()
      case "generation":
        return { kind: "generation", body: this.parseBody("endgeneration") }
      case "break":
      case "continue":
        return { kind: tag.text }
    }
    throw new UnsupportedConstruct(`line ${tag.line}: the tag ${tag.text}`)
  }

  private parseFor(): Statement {
    const target = this.parseTarget("in")
    if (!this.skipName("in")) this.fail("expected in")
    const iterable = this.parseTuple(() => this.parseOr(), { endsAt: "recursive" })
    const test = this.skipName("if") ? this.parseExpression() : undefined
    if (this.isName("recursive")) throw new UnsupportedConstruct("a recursive for")
    const body = this.parseBody("endfor", "else")
    const otherwise = this.advance().text === "else" ? this.parseBody("endfor") : []
    return { kind: "for", target, iterable, test, body, otherwise }
  }

  private parseIf(): Statement {
    const branches: Branch[] = []
    for (;;) {
      const test = this.parseTuple(() => this.parseOr())
      branches.push({ test, body: this.parseBody("elif", "else", "endif") })
      const end = this.advance().text
      if (end === "elif") continue
      return { kind: "if", branches, otherwise: end === "else" ? this.parseBody("endif") : [] }
    }
  }

  private parseSet(): Statement {
    const target = this.parseSetTarget()
    if (this.skipOperator("=")) return { kind: "set", target, value: this.parseTuple() }
    const filters: ReturnType<typeof this.parseFilter>[] = []
    while (this.skipOperator("|")) filters.push(this.parseFilter())
    return { kind: "set block", target, filters, body: this.parseBody("endset") }
  }

  private parseSetTarget(): Target {
    if (!this.isOperator(".", this.next)) return this.parseTarget()
    const name = this.expect("name").text
    this.advance()
    return { kind: "namespace", name, attribute: this.expect("name").text }
  }

  private parseWith(): Statement {
    const targets: Target[] = []
    const values: Expression[] = []
    while (this.current.kind !== "%}") {
      if (targets.length > 0) this.expectOperator(",")
      // A tuple of targets takes the comma, as in jinja2.
      targets.push(this.parseTarget())
      this.expectOperator("=")
      values.push(this.parseExpression())
    }
    return { kind: "with", targets, values, body: this.parseBody("endwith") }
  }

  private parseMacro(): Macro {
    const name = this.parseTargetName()
    const parameters: { readonly name: string; readonly fallback: Expression | undefined }[] = []
    this.expectOperator("(")
    while (!this.isOperator(")")) {
      if (parameters.length > 0) this.expectOperator(",")
      const parameter = this.parseTargetName()
      const fallback = this.skipOperator("=") ? this.parseExpression() : undefined
      if (fallback === undefined && parameters.at(-1)?.fallback)
        this.fail("a parameter without default follows one with")
      if (parameters.some((other) => other.name === parameter)) this.fail(`the parameter ${parameter} is there twice`)
      parameters.push({ name: parameter, fallback })
    }
    this.expectOperator(")")
    return { kind: "macro", name, parameters, body: this.parseBody("endmacro") }
  }

  private parseTargetName(): string {
    const target = this.asTarget(this.parsePrimary())
    return target.kind === "name" ? target.name : this.fail("a name should stand here")
  }

  private parseTarget(endsAt?: string): Target {
    return this.asTarget(this.parseTuple(() => this.parsePrimary(), endsAt === undefined ? {} : { endsAt }))
  }

  private asTarget(expression: Expression): Target {
    if (expression.kind === "name") return expression
    if (expression.kind !== "tuple") return this.fail(`a ${expression.kind} cannot be assigned to`)
    return { kind: "tuple", items: expression.items.map((item) => this.asTarget(item)) }
  }
}
