// Python's operators on template values: arithmetic, comparison, membership and equality. Types that Python does not
// combine raise here too.
import { format } from "./percent-format.ts"
import { textOf } from "./python-text.ts"
import {
  Callable,
  codePoints,
  Dict,
  DictView,
  Iteration,
  itemsOf,
  iterate,
  Range,
  SafeText,
  TemplateError,
  Tuple,
  typeName,
  Undefined,
  UnsupportedConstruct,
  type Value,
} from "./values.ts"

export type BinaryOperator = "+" | "-" | "*" | "/" | "//" | "%" | "**"

/** left operator right. Throws TemplateError where Python raises. */
export function binary(operator: BinaryOperator, left: Value, right: Value): Value {
  if (left instanceof SafeText || right instanceof SafeText) {
    if (operator === "+" && isText(left) && isText(right)) return new SafeText(escaped(left) + escaped(right))
    throw new UnsupportedConstruct(`"${operator}" on text marked safe`)
  }
  if (operator === "%" && typeof left === "string") return format(left, right)
  if (left instanceof DictView || right instanceof DictView) throw new UnsupportedConstruct(`"${operator}" on views`)
  if (left instanceof Undefined) left.raise()
  if (right instanceof Undefined) right.raise()
  if (operator === "+") {
    if (typeof left === "string" && typeof right === "string") return left + right
    if (Array.isArray(left) && Array.isArray(right)) return [...left, ...right]
    if (left instanceof Tuple && right instanceof Tuple) return new Tuple([...left.items, ...right.items])
  }
  if (operator === "*") {
    const repeated = repeat(left, right) ?? repeat(right, left)
    if (repeated !== undefined) return repeated
  }
  const a = numberOf(left)
  const b = numberOf(right)
  if (a === undefined || b === undefined) {
    if (left instanceof Dict && right instanceof Dict) throw new TemplateError("unsupported operand types: two dicts")
    throw new TemplateError(`unsupported operand type(s) for ${operator}: '${typeName(left)}' and '${typeName(right)}'`)
  }
  if (typeof a === "bigint" && typeof b === "bigint") return integerResult(operator, a, b)
  return floatResult(operator, toFloat(a), toFloat(b))
}

const isText = (value: Value) => typeof value === "string" || value instanceof SafeText

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&#34;",
  "'": "&#39;",
}

/** Text joined to text marked safe is escaped for HTML, as Markup does. */
function escaped(value: Value): string {
  return value instanceof SafeText ? value.text : textOf(value).replace(/[&<>"']/g, (character) => ENTITIES[character]!)
}

/** An int, float or bool as a number; undefined for other types. */
export function numberOf(value: Value): bigint | number | undefined {
  if (typeof value === "boolean") return value ? 1n : 0n
  return typeof value === "bigint" || typeof value === "number" ? value : undefined
}

export function toFloat(value: bigint | number): number {
  const float = Number(value)
  if (typeof value === "bigint" && !Number.isFinite(float)) throw new TemplateError("int too large to convert to float")
  return float
}

const MOST_REPEATED = 1_000_000

function repeat(sequence: Value, count: Value): Value | undefined {
  const number = numberOf(count)
  if (typeof number !== "bigint") return undefined
  const items = Array.isArray(sequence)
    ? (sequence as readonly Value[])
    : sequence instanceof Tuple
      ? sequence.items
      : sequence
  if (typeof items !== "string" && !Array.isArray(items)) return undefined
  const times = number < 0n || items.length === 0 ? 0n : number
  if (times * BigInt(items.length) > MOST_REPEATED)
    throw new UnsupportedConstruct("a repetition of over a million items")
  if (typeof items === "string") return items.repeat(Number(times))
  const repeated = Array.from({ length: Number(times) }, () => items as readonly Value[]).flat() as Value[]
  return sequence instanceof Tuple ? new Tuple(repeated) : repeated
}

function integerResult(operator: BinaryOperator, a: bigint, b: bigint): Value {
  switch (operator) {
    case "+":
      return a + b
    case "-":
      return a - b
    case "*":
      return a * b
    case "//":
      return floorDivision(a, b)
    case "%":
      return a - floorDivision(a, b) * b
    case "/":
      if (b === 0n) throw new TemplateError("division by zero")
      if (!Number.isSafeInteger(Number(a)) || !Number.isSafeInteger(Number(b))) {
        throw new UnsupportedConstruct('"/" of integers beyond 2^53')
      }
      return Number(a) / Number(b)
    case "**":
      if (b < 0n) throw new UnsupportedConstruct('"**" with a negative exponent')
      if (a > 1n || a < -1n) if (b > 20_000n) throw new UnsupportedConstruct('"**" with an exponent over 20000')
      return a ** b
  }
}

function floorDivision(a: bigint, b: bigint): bigint {
  if (b === 0n) throw new TemplateError("integer division or modulo by zero")
  const quotient = a / b
  return a % b !== 0n && a < 0n !== b < 0n ? quotient - 1n : quotient
}

function floatResult(operator: BinaryOperator, a: number, b: number): number {
  switch (operator) {
    case "+":
      return a + b
    case "-":
      return a - b
    case "*":
      return a * b
    case "/":
      if (b === 0) throw new TemplateError("float division by zero")
      return a / b
    case "//":
    case "%": {
      const [quotient, rest] = floatDivision(a, b)
      return operator === "%" ? rest : quotient
    }
    case "**":
      throw new UnsupportedConstruct('"**" of floats')
  }
}

/** CPython's float_divmod. */
function floatDivision(a: number, b: number): readonly [quotient: number, rest: number] {
  if (b === 0) throw new TemplateError("float floor division by zero")
  let rest = a % b
  let division = (a - rest) / b
  if (rest !== 0) {
    if (b < 0 !== rest < 0) {
      rest += b
      division -= 1
    }
  } else rest = b < 0 ? -0 : 0
  if (division === 0) return [a / b < 0 || Object.is(a / b, -0) ? -0 : 0, rest]
  const floor = Math.floor(division)
  return [division - floor > 0.5 ? floor + 1 : floor, rest]
}

/** a == b. */
export function isEqual(a: Value, b: Value): boolean {
  if (a === b) return true
  const x = numberOf(a)
  const y = numberOf(b)
  // biome-ignore lint/suspicious/noDoubleEquals: a bigint and a number of one value are equal, as int and float are
  if (x !== undefined && y !== undefined) return x == y
  if (a instanceof SafeText || b instanceof SafeText) return textIfText(a) === textIfText(b)
  if (a instanceof Undefined) return b instanceof Undefined
  if (a instanceof Callable && b instanceof Callable && a.kind === "method" && b.kind === "method") {
    throw new UnsupportedConstruct("comparing methods")
  }
  if (Array.isArray(a)) return Array.isArray(b) && areEqual(a, b)
  if (a instanceof Tuple) return b instanceof Tuple && areEqual(a.items, b.items)
  if (a instanceof Range && b instanceof Range) return areEqual(a.items(), b.items())
  if (a instanceof DictView && b instanceof DictView) throw new UnsupportedConstruct("comparing views")
  if (!(a instanceof Dict && b instanceof Dict) || a.size !== b.size) return false
  return a.pairs().every(([key, value]) => {
    const other = b.get(key)
    return other !== undefined && isEqual(value, other)
  })
}

const textIfText = (value: Value) => (isText(value) ? textOf(value) : Symbol("no text"))

export function areEqual(a: readonly Value[], b: readonly Value[]): boolean {
  return a.length === b.length && a.every((item, index) => isEqual(item, b[index]!))
}

/** a < b. Throws TemplateError for types that Python does not order. */
export function lessThan(a: Value, b: Value, sign = "<"): boolean {
  if (a instanceof Undefined) a.raise()
  if (b instanceof Undefined) b.raise()
  const x = numberOf(a)
  const y = numberOf(b)
  if (x !== undefined && y !== undefined) return x < y
  if (typeof a === "string" && typeof b === "string") return isTextBefore(a, b)
  const lists = Array.isArray(a) && Array.isArray(b) ? [a, b] : undefined
  const [left, right] = a instanceof Tuple && b instanceof Tuple ? [a.items, b.items] : (lists ?? [])
  if (left !== undefined && right !== undefined) return isListBefore(left, right)
  if (a instanceof SafeText || b instanceof SafeText || a instanceof DictView) {
    throw new UnsupportedConstruct(`ordering a ${typeName(a)} and a ${typeName(b)}`)
  }
  throw new TemplateError(`'${sign}' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`)
}

function isListBefore(a: readonly Value[], b: readonly Value[]): boolean {
  const parting = a.findIndex((item, index) => index >= b.length || !isEqual(item, b[index]!))
  if (parting < 0) return a.length < b.length
  return parting < b.length && lessThan(a[parting]!, b[parting]!)
}

/** By code point, where JavaScript compares UTF-16 units. */
function isTextBefore(a: string, b: string): boolean {
  const x = codePoints(a)
  const y = codePoints(b)
  if (typeof x === "string" && typeof y === "string") return a < b
  const end = Math.min(x.length, y.length)
  for (let index = 0; index < end; index++) {
    if (x[index] !== y[index]) return x[index]!.codePointAt(0)! < y[index]!.codePointAt(0)!
  }
  return x.length < y.length
}

/** a <= b, of types that are ordered: lists decide by their first difference. */
export function isAtMost(a: Value, b: Value): boolean {
  const numbers = numberOf(a) !== undefined && numberOf(b) !== undefined
  if (numbers) return numberOf(a)! <= numberOf(b)!
  return lessThan(a, b, "<=") || isEqual(a, b)
}

/** needle in haystack. */
export function contains(haystack: Value, needle: Value): boolean {
  if (typeof haystack === "string" || haystack instanceof SafeText) {
    if (typeof needle !== "string" && !(needle instanceof SafeText)) {
      throw new TemplateError(`'in <string>' requires string as left operand, not ${typeName(needle)}`)
    }
    return textOf(haystack).includes(textOf(needle))
  }
  if (haystack instanceof Dict) return haystack.has(needle)
  if (haystack instanceof DictView && haystack.kind === "keys") return haystack.dict.has(needle)
  if (haystack instanceof Iteration) {
    for (const item of iterate(haystack)) if (isEqual(item, needle)) return true
    return false
  }
  if (haystack instanceof Undefined) return false
  return itemsOf(haystack).some((item) => isEqual(item, needle))
}
