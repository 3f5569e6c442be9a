// Oniguruma's regular expressions (in its Ruby syntax, as the Rust library compiles them) as JavaScript's. What is not known
// to mean the same is refused by name: an expression that cuts otherwise would give other tokens.
import { bracketed } from "./character-classes.ts"
import { escaped, FOLDED, isLetter, literalEscape, SETS } from "./expression-escapes.ts"
import { refuse } from "./field.ts"

// Outside brackets \w has some superscripts and fractions besides.
const WORD = `[${SETS.get("w")}\\u00B2\\u00B3\\u00B9\\u00BC-\\u00BE]`
const NOT_WORD = `[^${SETS.get("w")}\\u00B2\\u00B3\\u00B9\\u00BC-\\u00BE]`
const OUTSIDE = new Map([
  ["w", WORD],
  ["W", NOT_WORD],
  ["b", `(?:(?<!${WORD})(?=${WORD})|(?<=${WORD})(?!${WORD}))`],
  ["B", `(?:(?<!${WORD})(?!${WORD})|(?<=${WORD})(?=${WORD}))`],
  ["A", "^"],
  ["z", "$"],
  ["Z", "(?=\\n?$)"],
])
const GROUPS = ["(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:"]
const NAMED = /^\(\?<[A-Za-z_]\w*>/
// Letters that fold to one character together with their neighbour (ß, ﬁ, ﬆ), which JavaScript does not.
const FOLDED_TOGETHER = /^(?:f[fil]|s[st])$/i

/** The expression, to be tried at one place of a text. Throws InvalidTokenizer. */
export function compileExpression(source: string): RegExp {
  const translated = new Translation(source).whole()
  try {
    return new RegExp(translated, "uy")
  } catch {
    return refuse(`the regular expression ${JSON.stringify(source)}`)
  }
}

class Translation {
  private at = 0
  private atomicGroups = 0
  private readonly source: string

  constructor(source: string) {
    this.source = source
  }

  whole(): string {
    const translated = this.alternatives(false, false)
    return this.at === this.source.length ? translated : this.unknown()
  }

  private get rest(): string {
    return this.source.slice(this.at)
  }

  private unknown(): never {
    return refuse(`the regular expression ${JSON.stringify(this.source)} (from ${JSON.stringify(this.rest)} on)`)
  }

  /** Up to the end or a closing bracket. */
  private alternatives(folds: boolean, isBehind: boolean): string {
    let translated = ""
    let before = ""
    while (this.at < this.source.length && this.source[this.at] !== ")") {
      if (this.source[this.at] === "|") {
        this.at++
        translated += "|"
        before = ""
        continue
      }
      const character = this.source[this.at]!
      if (folds && FOLDED_TOGETHER.test(before + character)) this.unknown()
      before = isLetter(character) ? character : ""
      const atom = this.atom(folds, isBehind)
      translated += this.quantified(atom, isBehind)
    }
    return translated
  }

  private atom(folds: boolean, isBehind: boolean): string {
    const character = String.fromCodePoint(this.source.codePointAt(this.at)!)
    if (character === "(") return this.group(folds, isBehind)
    if (character === "[") {
      const { translated, end } = bracketed(this.source, this.at, folds) ?? this.unknown()
      this.at = end
      return translated
    }
    if (character === "\\") return this.escape(folds)
    if ("*+?".includes(character)) return this.unknown()
    this.at += character.length
    if (character === ".") return "[^\\n]"
    // A line begins behind each line end but the text's last, and ends before each.
    if (character === "^") return "(?:^|(?<=\\n)(?!$))"
    if (character === "$") return "(?:(?=\\n)|$)"
    if (!folds) return escaped(character)
    if (character.charCodeAt(0) > 0x7f) return this.unknown()
    const cases = FOLDED.get(character)
    return cases === undefined ? escaped(character) : `[${cases}]`
  }

  private group(folds: boolean, isBehind: boolean): string {
    const opening = GROUPS.find((each) => this.rest.startsWith(each)) ?? NAMED.exec(this.rest)?.[0] ?? "("
    this.at += opening.length
    if (opening === "(" && this.source[this.at] === "?") return this.unknown()
    const looksBehind = opening === "(?<=" || opening === "(?<!"
    const inner = this.alternatives(folds || opening === "(?i:", isBehind || looksBehind)
    if (this.source[this.at] !== ")") return this.unknown()
    this.at++
    if (opening === "(?>") return this.atomic(inner, isBehind)
    const isPlain = opening === "(" || opening === "(?i:" || NAMED.test(opening)
    return `${isPlain ? "(?:" : opening}${inner})`
  }

  /** What has matched is not tried again: as a look-ahead that is then taken as found. */
  private atomic(inner: string, isBehind: boolean): string {
    if (isBehind) return this.unknown()
    const name = `a${this.atomicGroups++}`
    return `(?:(?=(?<${name}>${inner}))\\k<${name}>)`
  }

  private escape(folds: boolean): string {
    const kind = this.source[this.at + 1] ?? ""
    const outside = OUTSIDE.get(kind)
    if (outside !== undefined && !(folds && /[wW]/.test(kind))) {
      this.at += 2
      return outside
    }
    const found = literalEscape(this.rest) ?? this.unknown()
    if (folds && !found.isCaseless) return this.unknown()
    this.at += found.length
    return found.set === undefined ? found.character : found.isNegated ? `[^${found.set}]` : `[${found.set}]`
  }

  private quantified(atom: string, isBehind: boolean): string {
    const [all = "", sign, least, comma, most] = /^(?:([*+?])|\{(\d*)(,?)(\d*)\})/.exec(this.rest) ?? []
    const isCount = all !== "" && sign === undefined
    // "{}" and "{,}" stand for themselves.
    if (all === "" || (isCount && least === "" && most === "")) return atom
    this.at += all.length
    const repeated = `${atom}${sign ?? `{${least === "" ? "0" : least}${comma}${most}}`}`
    const next = this.source[this.at]
    // Behind a count, "+" repeats the whole and "?" makes it optional, where it is one number.
    if (next === "+" && !isCount) {
      this.at++
      return this.closed(this.atomic(repeated, isBehind))
    }
    if (next === "?" && !(isCount && (comma === "" || least === ""))) {
      this.at++
      return this.closed(`${repeated}?`)
    }
    if (next === "+") {
      this.at++
      return this.closed(`(?:${repeated})+`)
    }
    return this.closed(repeated)
  }

  private closed(quantified: string): string {
    return /^(?:[*+?]|\{\d*,?\d*\})/.test(this.rest) ? this.unknown() : quantified
  }
}
