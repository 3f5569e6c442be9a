// The tokens of a template as its parser takes them, one after the other.
import { type Token, tokenise } from "./lexer.ts"
import { TemplateError } from "./values.ts"

export class TokenStream {
  private readonly tokens: readonly Token[]
  private at = 0

  constructor(text: string) {
    this.tokens = tokenise(text)
  }

  protected get current(): Token {
    return this.tokens[this.at]!
  }
  protected get next(): Token {
    return this.tokens[Math.min(this.at + 1, this.tokens.length - 1)]!
  }
  protected advance(): Token {
    const token = this.current
    if (token.kind !== "end") this.at++
    return token
  }
  protected fail(problem: string): never {
    throw new TemplateError(`line ${this.current.line}: ${problem}`)
  }
  protected isOperator(text: string, token = this.current): boolean {
    return token.kind === "operator" && token.text === text
  }
  protected isName(text: string, token = this.current): boolean {
    return token.kind === "name" && token.text === text
  }
  protected skipOperator(text: string): boolean {
    const is = this.isOperator(text)
    if (is) this.at++
    return is
  }
  protected skipName(text: string): boolean {
    const is = this.isName(text)
    if (is) this.at++
    return is
  }
  protected expectOperator(text: string): void {
    if (!this.skipOperator(text)) this.fail(`expected "${text}", got "${this.current.text}"`)
  }
  protected expect(kind: Token["kind"]): Token {
    if (this.current.kind !== kind) this.fail(`expected ${kind}, got "${this.current.text}"`)
    return this.advance()
  }
}
