// Python's str() and repr() of values, its repr of floats, and its idea of white space.
import {
  Callable,
  Dict,
  DictView,
  LoopValue,
  Namespace,
  Range,
  SafeText,
  TemplateError,
  Tuple,
  Undefined,
  UnsupportedConstruct,
  type Value,
} from "./values.ts"

/** What str.isspace() is true of, as the inside of a character class. */
export const SPACE = "\\t-\\r\\x1c- \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000"

/** str(value), as {{ value }} prints it. */
export function textOf(value: Value): string {
  if (typeof value === "string") return value
  if (value instanceof SafeText) return value.text
  if (value instanceof Undefined) return ""
  return reprOf(value)
}

/** repr(value). */
export function reprOf(value: Value): string {
  if (typeof value === "string") return reprOfText(value)
  if (value === null) return "None"
  if (typeof value === "boolean") return value ? "True" : "False"
  if (typeof value === "bigint") return textOfInteger(value)
  if (typeof value === "number") return textOfFloat(value)
  if (value instanceof Undefined) return "Undefined"
  if (Array.isArray(value)) return `[${value.map(reprOf).join(", ")}]`
  if (value instanceof Tuple) return `(${value.items.map(reprOf).join(", ")}${value.items.length === 1 ? "," : ""})`
  if (value instanceof Dict)
    return `{${value
      .pairs()
      .map(([key, item]) => `${reprOf(key)}: ${reprOf(item)}`)
      .join(", ")}}`
  if (value instanceof DictView) return `dict_${value.kind}([${value.items().map(reprOf).join(", ")}])`
  if (value instanceof Range) {
    return `range(${value.start}, ${value.stop}${value.step === 1n ? "" : `, ${value.step}`})`
  }
  if (value instanceof SafeText) return `Markup(${reprOfText(value.text)})`
  if (value instanceof Callable && value.kind === "macro") return `<Macro ${reprOfText(value.name)}>`
  if (value instanceof LoopValue) throw new UnsupportedConstruct("printing loop")
  if (value instanceof Namespace) return `<Namespace ${reprOf(Dict.of(value.attributes))}>`
  throw new UnsupportedConstruct("printing a function or a generator, whose text holds an address,")
}

const NOT_PRINTABLE = /(?! )[\p{C}\p{Z}]/u

function reprOfText(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'"
  let inside = ""
  for (const character of text) inside += escapedCharacter(character, quote)
  return quote + inside + quote
}

const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" }

function escapedCharacter(character: string, quote: string): string {
  if (character === quote) return `\\${quote}`
  const escaped = ESCAPES[character]
  if (escaped !== undefined) return escaped
  if (!NOT_PRINTABLE.test(character)) return character
  const code = character.codePointAt(0)!
  const hex = code.toString(16)
  if (code < 0x100) return `\\x${hex.padStart(2, "0")}`
  return code < 0x10000 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`
}

/** Python prints no integer of more than 4300 digits. */
export function textOfInteger(value: bigint): string {
  const text = value.toString()
  if (text.length - (value < 0n ? 1 : 0) > 4300) throw new TemplateError("the integer has more than 4300 digits")
  return text
}

/** repr of a float: the shortest digits that give it back, with an exponent below 1e-4 and from 1e16. */
export function textOfFloat(value: number): string {
  if (Number.isNaN(value)) return "nan"
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf"
  const sign = value < 0 || Object.is(value, -0) ? "-" : ""
  const [mantissa, exponentText] = Math.abs(value).toExponential().split("e") as [string, string]
  const exponent = Number(exponentText)
  if (exponent < -4 || exponent >= 16) {
    return `${sign}${mantissa}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`
  }
  const digits = mantissa.replace(".", "")
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0")
  return `${sign}${whole}.${digits.slice(exponent + 1) || "0"}`
}

/** The number to a number of decimals, its exact value rounded half to even. */
export function toFixedExactly(value: number, decimals: number): string {
  const bits = new DataView(new ArrayBuffer(8))
  bits.setFloat64(0, Math.abs(value))
  const raw = bits.getBigUint64(0)
  const biased = Number(raw >> 52n)
  const fraction = raw & ((1n << 52n) - 1n)
  const mantissa = biased === 0 ? fraction : fraction | (1n << 52n)
  const power = BigInt(Math.max(biased, 1) - 1075)
  const scaled = mantissa * 10n ** BigInt(decimals)
  let rounded = scaled
  if (power >= 0n) rounded <<= power
  else {
    const half = 1n << (-power - 1n)
    const rest = scaled & ((half << 1n) - 1n)
    rounded >>= -power
    if (rest > half || (rest === half && (rounded & 1n) === 1n)) rounded += 1n
  }
  const digits = rounded.toString().padStart(decimals + 1, "0")
  const sign = value < 0 || Object.is(value, -0) ? "-" : ""
  const whole = digits.slice(0, digits.length - decimals)
  return decimals === 0 ? sign + whole : `${sign}${whole}.${digits.slice(digits.length - decimals)}`
}
