// A template's text to tokens, as jinja2's lexer cuts it with trim_blocks and lstrip_blocks: white space around tags, line
// ends, comments, raw blocks, and Python's literals.
import { SPACE } from "./python-text.ts"
import { stripTrailingSpace } from "./string-methods.ts"
import { TemplateError, UnsupportedConstruct, type Value } from "./values.ts"

export interface Token {
  readonly kind: "data" | "{{" | "}}" | "{%" | "%}" | "name" | "string" | "integer" | "float" | "operator" | "end"
  /** the text of data, the name, the operator */
  readonly text: string
  readonly value?: Value
  readonly line: number
}

const S = `[${SPACE}]`
const OPENING = new RegExp(`\\{%(?<raw>[-+]?)${S}*raw${S}*(?:-%\\}${S}*|%\\})|(?<tag>\\{[%#{])(?<sign>[-+]?)`, "g")
const COMMENT_END = new RegExp(`\\+#\\}|-#\\}${S}*|#\\}\\n?`, "g")
const RAW_END = new RegExp(`\\{%([-+]?)${S}*endraw${S}*(?:\\+%\\}|-%\\}${S}*|%\\}\\n?)`, "g")
const BLOCK_END = new RegExp(`\\+%\\}|-%\\}${S}*|%\\}\\n?`, "y")
const VARIABLE_END = new RegExp(`-\\}\\}${S}*|\\}\\}`, "y")
const SPACES = new RegExp(`${S}+`, "y")
const FLOAT = /(?<!\.)(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/iy
const INTEGER = /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/iy
const NAME = /[\p{ID_Start}_][\p{ID_Continue}]*/uy
const STRING = /'[^'\\]*(?:\\[\s\S][^'\\]*)*'|"[^"\\]*(?:\\[\s\S][^"\\]*)*"/y
const OPERATOR = /\/\/|\*\*|==|!=|>=|<=|[-+/*%~[\](){}><=.:|,;]/y
const CLOSES: Readonly<Record<string, string>> = { "{": "}", "(": ")", "[": "]" }

/** Tokens of a template, an "end" last. Throws TemplateError where jinja2 raises TemplateSyntaxError. */
export function tokenise(text: string): Token[] {
  // One line end at the end is dropped, and every line end is "\n".
  return new Lexer(text.replace(/\r\n?/g, "\n").replace(/\n$/, "")).run()
}

class Lexer {
  private readonly source: string
  private readonly tokens: Token[] = []
  private at = 0
  private line = 1
  private isAtLineStart = true

  constructor(source: string) {
    this.source = source
  }

  run(): Token[] {
    while (this.at < this.source.length) {
      OPENING.lastIndex = this.at
      const opening = OPENING.exec(this.source)
      if (opening === null) {
        this.pushData(this.source.slice(this.at))
        break
      }
      const { raw, tag, sign } = opening.groups as { raw?: string; tag?: string; sign?: string }
      this.pushData(this.stripped(this.source.slice(this.at, opening.index), raw ?? sign ?? "", tag === "{{"))
      this.moveTo(opening.index + opening[0].length)
      // jinja2 takes a comment or raw block that begins at the very end for none.
      if (this.at === this.source.length && tag !== "{{" && tag !== "{%") break
      if (raw !== undefined) this.readRaw()
      else if (tag === "{#") this.skipComment()
      else this.readTag(tag as "{{" | "{%")
    }
    this.push("end", "")
    return this.tokens
  }

  /** The data before a tag, of which "-" takes all white space, and lstrip_blocks what is alone on the tag's line. */
  private stripped(data: string, sign: string, isVariable: boolean): string {
    if (sign === "-") return stripTrailingSpace(data)
    if (sign === "+" || isVariable) return data
    const lineStart = data.lastIndexOf("\n") + 1
    if (lineStart === 0 && !this.isAtLineStart) return data
    return stripTrailingSpace(data.slice(lineStart)) === "" ? data.slice(0, lineStart) : data
  }

  private moveTo(end: number): void {
    for (let index = this.at; index < end; index++) if (this.source[index] === "\n") this.line++
    this.isAtLineStart = this.source[end - 1] === "\n"
    this.at = end
  }

  private push(kind: Token["kind"], text: string, value?: Value): void {
    this.tokens.push(value === undefined ? { kind, text, line: this.line } : { kind, text, value, line: this.line })
  }

  private pushData(data: string): void {
    if (data !== "") this.push("data", data)
  }

  private skipComment(): void {
    COMMENT_END.lastIndex = this.at
    const end = COMMENT_END.exec(this.source)
    if (end === null) throw new TemplateError(`line ${this.line}: missing end of comment tag`)
    this.moveTo(end.index + end[0].length)
  }

  private readRaw(): void {
    RAW_END.lastIndex = this.at
    const end = RAW_END.exec(this.source)
    if (end === null) throw new TemplateError(`line ${this.line}: missing end of raw directive`)
    this.pushData(this.stripped(this.source.slice(this.at, end.index), end[1]!, false))
    this.moveTo(end.index + end[0].length)
  }

  private readTag(opening: "{{" | "{%"): void {
    this.push(opening, opening)
    const [closing, ending] = opening === "{{" ? (["}}", VARIABLE_END] as const) : (["%}", BLOCK_END] as const)
    const open: string[] = []
    for (;;) {
      const end = open.length === 0 ? this.match(ending) : undefined
      if (end !== undefined) {
        this.push(closing, closing)
        this.moveTo(this.at + end.length)
        return
      }
      if (this.at >= this.source.length) {
        this.push("end", "")
        throw new TemplateError(`line ${this.line}: unexpected end of template, expected "${closing}"`)
      }
      this.readToken(open)
    }
  }

  private readToken(open: string[]): void {
    const spaces = this.match(SPACES)
    if (spaces !== undefined) {
      this.moveTo(this.at + spaces.length)
      return
    }
    const found =
      this.take(FLOAT, "float", floatOf) ??
      this.take(INTEGER, "integer", (digits) => BigInt(digits.replaceAll("_", ""))) ??
      this.take(NAME, "name") ??
      this.take(STRING, "string", (quoted) => unescaped(quoted.slice(1, -1))) ??
      this.take(OPERATOR, "operator")
    if (found === undefined) {
      throw new TemplateError(`line ${this.line}: unexpected character ${JSON.stringify(this.source[this.at])}`)
    }
    if (this.tokens.at(-1)!.kind !== "operator") return
    const closing = CLOSES[found]
    if (closing !== undefined) open.push(closing)
    else if ("})]".includes(found) && open.pop() !== found)
      throw new TemplateError(`line ${this.line}: unexpected "${found}"`)
  }

  private take(pattern: RegExp, kind: Token["kind"], read?: (text: string) => Value): string | undefined {
    const found = this.match(pattern)
    if (found === undefined) return undefined
    this.push(kind, found, read?.(found))
    this.moveTo(this.at + found.length)
    return found
  }

  private match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at
    return pattern.exec(this.source)?.[0]
  }
}

function floatOf(digits: string): number {
  const float = Number(digits.replaceAll("_", ""))
  if (!Number.isFinite(float)) throw new UnsupportedConstruct(`the infinite number ${digits}`)
  return float
}

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  "\n": "",
  "\\": "\\",
  "'": "'",
  '"': '"',
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
}
const ESCAPE = /\\(?:([0-7]{1,3})|x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([\s\S]))/gu

/** Python's unicode-escape, through which jinja2 reads string literals. */
function unescaped(literal: string): string {
  if (!literal.includes("\\")) return literal
  return literal.replace(ESCAPE, (all, octal, x, u, U, other: string | undefined) => {
    if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8))
    const hex = x ?? u ?? U
    if (hex !== undefined) {
      const code = Number.parseInt(hex, 16)
      if (code > 0x10ffff) throw new TemplateError("illegal Unicode character in a string literal")
      return String.fromCodePoint(code)
    }
    if (other === "N") throw new UnsupportedConstruct("the escape \\N of a string literal")
    if ("xuU".includes(other!)) throw new TemplateError(`truncated \\${other} escape in a string literal`)
    const simple = SIMPLE_ESCAPES[other!]
    if (simple !== undefined) return simple
    // jinja2 escapes such characters to ASCII first, so that the backslash before them escapes their own.
    if (other! > "\x7f") throw new UnsupportedConstruct(`a backslash before ${JSON.stringify(other)}`)
    return all
  })
}
