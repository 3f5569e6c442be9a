// Expressions, by the grammar of jinja2's parser: its precedence of operators differs from Python's in "~", "**" and filters.
import type { Arguments, CompareOperator, Expression } from "./nodes.ts"
import type { BinaryOperator } from "./operators.ts"
import { TokenStream } from "./token-stream.ts"
import { UnsupportedConstruct } from "./values.ts"

const COMPARISONS = new Set(["==", "!=", "<", "<=", ">", ">="])
const NO_ARGUMENTS: Arguments = { positional: [], named: [] }
const CONSTANTS: ReadonlyMap<string, boolean | null> = new Map([
  ["true", true],
  ["True", true],
  ["false", false],
  ["False", false],
  ["none", null],
  ["None", null],
])

export class ExpressionParser extends TokenStream {
  parseExpression(): Expression {
    let expression = this.parseOr()
    while (this.skipName("if")) {
      const test = this.parseOr()
      const otherwise = this.skipName("else") ? this.parseExpression() : undefined
      expression = { kind: "conditional", test, value: expression, otherwise }
    }
    return expression
  }

  /** One expression, or a tuple without parentheses. */
  protected parseTuple(
    parse: () => Expression = () => this.parseExpression(),
    options: { readonly endsAt?: string; readonly mayBeEmpty?: boolean } = {},
  ): Expression {
    const items: Expression[] = []
    let isTuple = false
    for (;;) {
      if (items.length > 0) this.expectOperator(",")
      if (this.isTupleEnd(options.endsAt)) break
      items.push(parse())
      if (!this.isOperator(",")) break
      isTuple = true
    }
    if (isTuple || (items.length === 0 && options.mayBeEmpty)) return { kind: "tuple", items }
    return items[0] ?? this.fail(`expected an expression, got "${this.current.text}"`)
  }

  private isTupleEnd(name: string | undefined): boolean {
    const { kind } = this.current
    return kind === "}}" || kind === "%}" || this.isOperator(")") || (name !== undefined && this.isName(name))
  }

  protected parseOr(): Expression {
    let left = this.parseAnd()
    while (this.skipName("or")) left = { kind: "or", left, right: this.parseAnd() }
    return left
  }

  private parseAnd(): Expression {
    let left = this.parseNot()
    while (this.skipName("and")) left = { kind: "and", left, right: this.parseNot() }
    return left
  }

  private parseNot(): Expression {
    if (this.skipName("not")) return { kind: "unary", operator: "not", operand: this.parseNot() }
    return this.parseComparison()
  }

  private parseComparison(): Expression {
    const first = this.parseSum()
    const rest: { readonly operator: CompareOperator; readonly operand: Expression }[] = []
    for (let operator = this.takeComparison(); operator; operator = this.takeComparison()) {
      rest.push({ operator, operand: this.parseSum() })
    }
    return rest.length === 0 ? first : { kind: "comparison", first, rest }
  }

  private takeComparison(): CompareOperator | undefined {
    if (this.current.kind === "operator" && COMPARISONS.has(this.current.text)) {
      return this.advance().text as CompareOperator
    }
    if (this.skipName("in")) return "in"
    if (!this.isName("not") || !this.isName("in", this.next)) return undefined
    this.advance()
    this.advance()
    return "not in"
  }

  private parseBinary(operators: readonly string[], parse: () => Expression): Expression {
    let left = parse()
    while (this.current.kind === "operator" && operators.includes(this.current.text)) {
      const operator = this.advance().text as BinaryOperator
      left = { kind: "binary", operator, left, right: parse() }
    }
    return left
  }

  private parseSum(): Expression {
    return this.parseBinary(["+", "-"], () => this.parseConcatenation())
  }

  private parseConcatenation(): Expression {
    const parts = [this.parseProduct()]
    while (this.skipOperator("~")) parts.push(this.parseProduct())
    return parts.length === 1 ? parts[0]! : { kind: "concatenation", parts }
  }

  private parseProduct(): Expression {
    return this.parseBinary(["*", "/", "//", "%"], () => this.parseBinary(["**"], () => this.parseUnary()))
  }

  private parseUnary(takesFilters = true): Expression {
    const sign = this.isOperator("-") ? "-" : this.isOperator("+") ? "+" : undefined
    if (sign !== undefined) this.advance()
    const begun: Expression =
      sign === undefined ? this.parsePrimary() : { kind: "unary", operator: sign, operand: this.parseUnary(false) }
    const expression = this.parsePostfix(begun)
    return takesFilters ? this.parseFilters(expression) : expression
  }

  protected parsePrimary(): Expression {
    const token = this.advance()
    switch (token.kind) {
      case "name": {
        const constant = CONSTANTS.get(token.text)
        return constant === undefined ? { kind: "name", name: token.text } : { kind: "constant", value: constant }
      }
      case "string": {
        let value = token.value as string
        while (this.current.kind === "string") value += this.advance().value as string
        return { kind: "constant", value }
      }
      case "integer":
      case "float":
        return { kind: "constant", value: token.value! }
    }
    if (this.isOperator("(", token)) {
      const inside = this.parseTuple(undefined, { mayBeEmpty: true })
      this.expectOperator(")")
      return inside
    }
    if (this.isOperator("[", token)) return { kind: "list", items: this.parseList("]", () => this.parseExpression()) }
    if (this.isOperator("{", token)) return { kind: "dict", entries: this.parseList("}", () => this.parseEntry()) }
    return this.fail(`unexpected "${token.text}"`)
  }

  private parseEntry(): readonly [Expression, Expression] {
    const key = this.parseExpression()
    this.expectOperator(":")
    return [key, this.parseExpression()]
  }

  /** Members between commas up to the closing bracket, before which one comma more may stand. */
  private parseList<T>(closing: string, parse: () => T): T[] {
    const members: T[] = []
    while (!this.isOperator(closing)) {
      if (members.length > 0) this.expectOperator(",")
      if (this.isOperator(closing)) break
      members.push(parse())
    }
    this.expectOperator(closing)
    return members
  }

  private parsePostfix(begun: Expression): Expression {
    let expression = begun
    for (;;) {
      if (this.skipOperator(".")) expression = this.parseMember(expression)
      else if (this.skipOperator("[")) expression = this.parseSubscript(expression)
      else if (this.isOperator("(")) expression = { kind: "call", target: expression, args: this.parseArguments() }
      else return expression
    }
  }

  private parseMember(target: Expression): Expression {
    const { kind, text, value } = this.advance()
    if (kind === "name") return { kind: "attribute", target, name: text }
    if (kind !== "integer") this.fail("expected name or number")
    return { kind: "item", target, index: { kind: "constant", value: value! } }
  }

  private parseSubscript(target: Expression): Expression {
    const bounds: (Expression | undefined)[] = []
    const parseBound = () =>
      bounds.push(
        this.isOperator(":") || this.isOperator("]") || this.isOperator(",") ? undefined : this.parseExpression(),
      )
    parseBound()
    while (bounds.length < 3 && this.skipOperator(":")) parseBound()
    if (this.isOperator(",")) throw new UnsupportedConstruct("a subscript of several parts")
    this.expectOperator("]")
    if (bounds.length > 1) return { kind: "slice", target, bounds }
    if (bounds[0] === undefined) this.fail("an empty subscript")
    return { kind: "item", target, index: bounds[0] as Expression }
  }

  protected parseArguments(): Arguments {
    this.expectOperator("(")
    const positional: Expression[] = []
    const named: [string, Expression][] = []
    this.parseList(")", () => {
      if (this.isOperator("*") || this.isOperator("**"))
        throw new UnsupportedConstruct(`"${this.current.text}" before an argument`)
      if (this.current.kind === "name" && this.isOperator("=", this.next)) {
        const name = this.advance().text
        this.advance()
        if (named.some(([other]) => other === name)) this.fail(`the argument ${name} is there twice`)
        named.push([name, this.parseExpression()])
      } else if (named.length > 0) this.fail("a positional argument follows a named one")
      else positional.push(this.parseExpression())
    })
    return { positional, named }
  }

  private parseFilters(begun: Expression): Expression {
    let expression = begun
    for (;;) {
      if (this.skipOperator("|")) expression = { kind: "filter", target: expression, ...this.parseFilter() }
      else if (this.skipName("is")) expression = this.parseTest(expression)
      else if (this.isOperator("(")) expression = { kind: "call", target: expression, args: this.parseArguments() }
      else return expression
    }
  }

  /** A filter after its bar. */
  protected parseFilter(): { readonly name: string; readonly args: Arguments } {
    const name = this.parseDottedName()
    return { name, args: this.isOperator("(") ? this.parseArguments() : NO_ARGUMENTS }
  }

  private parseDottedName(): string {
    let name = this.expect("name").text
    while (this.skipOperator(".")) name += `.${this.expect("name").text}`
    return name
  }

  private parseTest(target: Expression): Expression {
    const isNegated = this.skipName("not")
    const name = this.parseDottedName()
    const test: Expression = { kind: "test", target, name, args: this.parseTestArguments() }
    return isNegated ? { kind: "unary", operator: "not", operand: test } : test
  }

  /** In parentheses, or one value without them: x is divisibleby 3. */
  private parseTestArguments(): Arguments {
    if (this.isOperator("(")) return this.parseArguments()
    const { kind } = this.current
    const begins =
      kind === "name" ||
      kind === "string" ||
      kind === "integer" ||
      kind === "float" ||
      this.isOperator("[") ||
      this.isOperator("{")
    if (!begins || this.isName("else") || this.isName("or") || this.isName("and")) return NO_ARGUMENTS
    if (this.isName("is")) this.fail("tests cannot be chained with is")
    return { positional: [this.parsePostfix(this.parsePrimary())], named: [] }
  }
}
